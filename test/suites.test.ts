import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { SUITES } from "../scripts/suites.ts";

const ROOT = path.join(import.meta.dirname, "..");
const filesOf = (...globs: readonly string[]): readonly string[] => globSync(globs, { cwd: ROOT }).toSorted();
const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");

/** What a test has that starts a process itself; the PostgreSQL of all tests is started for it. */
const STARTS =
  /node:child_process|\b(ProcessModelHosts|CheckProcess|startEmbeddedPostgres|SkerryProcess|TestProvider)\b|\.\.\/processes\//;

describe("the suites", () => {
  it("hold each test file once", () => {
    const inSuites = Object.values(SUITES).flatMap((globs) => filesOf(...globs));
    expect(inSuites.toSorted()).toEqual(filesOf("test/**/*.test.ts"));
  });

  it("have a script each", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const suitesOf = Object.entries(scripts).flatMap(([name, command]) => {
      const [, suite = "test"] = /scripts\/test\.ts(?: --suite=(\S+))?$/.exec(command) ?? [undefined, ""];
      return suite === "" ? [] : [`${name} runs ${suite}`];
    });
    const expected = Object.keys(SUITES).map((suite) => `${suite === "test" ? "" : "test:"}${suite} runs ${suite}`);
    expect(suitesOf.toSorted()).toEqual(expected.toSorted());
  });

  it("keep tests that start processes out of test/integration", () => {
    expect(filesOf("test/integration/**/*.ts").filter((file) => STARTS.test(read(file)))).toEqual([]);
  });
});
