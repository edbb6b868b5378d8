import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { parseSync } from "@swc/core";

/** Every object of the syntax tree that is of `type`. */
function nodesOf(tree: unknown, type: string): readonly Record<string, unknown>[] {
  if (typeof tree !== "object" || tree === null) return [];
  const below = Object.values(tree).flatMap((child) => nodesOf(child, type));
  return "type" in tree && tree.type === type ? [{ ...tree }, ...below] : below;
}

const nameOf = (key: unknown): string =>
  typeof key === "object" && key !== null && "value" in key ? String(key.value) : "?";

/** Names of fields that another class could write: neither `#private` nor `readonly`. */
function mutableFields(source: string): readonly string[] {
  const tree = parseSync(source, { syntax: "typescript" });
  return nodesOf(tree, "ClassProperty")
    .filter((field) => field["readonly"] !== true)
    .map((field) => nameOf(field["key"]));
}

describe("the classes of app", () => {
  it("let nobody else write their fields, so that each state has one owner", () => {
    const files = globSync("{control-plane,edge-node}/app/**/*.ts");
    expect(files.length).toBeGreaterThan(50);
    expect(
      files.flatMap((file) => mutableFields(readFileSync(file, "utf8")).map((name) => `${file}: ${name}`)),
    ).toEqual([]);
  });
});

describe("the search for fields that can be written", () => {
  it("finds public, protected and static ones, also with `private`, which does not hold at run time", () => {
    const source = `
      export class Session {
        rev = 0;
        private epoch = 0;
        static count = 0;
        protected node: string | undefined;
        readonly id = 1;
        #hidden = 2;
        get view(): number { return this.#hidden; }
        send(): void { const local = class { inner = 1 }; void local; }
      }`;
    expect(mutableFields(source)).toEqual(["rev", "epoch", "count", "node", "inner"]);
  });
});
