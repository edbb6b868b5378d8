import { beforeAll, describe, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { globSync, statSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const ROOT = path.join(import.meta.dirname, "../../..");
const DIST = path.join(ROOT, "console/dist");
/** What a first visit may load, in gzip. */
const LIMIT_BYTES = 350 * 1_024;

// Nothing is built where the build is of these sources.
beforeAll(() => promisify(execFile)(process.execPath, [path.join(ROOT, "scripts/build-console.mjs")]), 180_000);

describe("the console as it is built", () => {
  it("is smaller in all, with every page of it, than a first load may be", () => {
    const files = globSync("{*,assets/*}.gz", { cwd: DIST });
    expect(files).toContain("index.html.gz");
    const bytes = files.reduce((sum, file) => sum + statSync(path.join(DIST, file)).size, 0);
    expect(bytes).toBeLessThan(LIMIT_BYTES);
  });
});
