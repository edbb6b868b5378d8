import { describe, expect, it } from "@jest/globals";
import { globSync, statSync } from "node:fs";
import path from "node:path";

const DIST = path.join(import.meta.dirname, "../../../console/dist");
/** What a first visit may load, in gzip. */
const LIMIT_BYTES = 350 * 1_024;

describe("the console as it is built", () => {
  it("is smaller in all, with every page of it, than a first load may be", () => {
    const files = globSync("{*,assets/*}.gz", { cwd: DIST });
    expect(files).toContain("index.html.gz"); // else `npm run build:console` is due
    const bytes = files.reduce((sum, file) => sum + statSync(path.join(DIST, file)).size, 0);
    expect(bytes).toBeLessThan(LIMIT_BYTES);
  });
});
