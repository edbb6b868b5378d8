import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";

const ROOT = join(import.meta.dirname, "../../../../..");
const HEURISTICS = { filters: /: Filter = /g, scores: /: Score = /g } as const;

const declarations = (kind: keyof typeof HEURISTICS): number => {
  const folder = join(ROOT, "control-plane/core/scheduling", kind);
  const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
  return sources.reduce((sum, source) => sum + (source.match(HEURISTICS[kind])?.length ?? 0), 0);
};

describe("the heuristics of scheduling", () => {
  it.each(["filters", "scores"] as const)("have a table of tests for each of the %s", (kind) => {
    const tables = readdirSync(join(import.meta.dirname, kind)).filter((file) => file.endsWith(".test.ts"));
    expect(tables).toHaveLength(declarations(kind));
  });
});
