import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { VERSION } from "../../../../shared/base/version.ts";

describe("the version of the programs", () => {
  it("is the one in package.json", () => {
    const manifest: unknown = JSON.parse(readFileSync(new URL("../../../../package.json", import.meta.url), "utf8"));
    expect(manifest).toMatchObject({ version: VERSION });
  });
});
