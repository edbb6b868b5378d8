import { describe, expect, it } from "@jest/globals";
import { readSpecs } from "../../../../cli/spec/deployment-spec.ts";
import { parseDocuments } from "../../../../cli/spec/read-documents.ts";

const specs = (text: string): readonly { name: string; version: string | number }[] =>
  readSpecs(parseDocuments(text, "f.yaml"));

function complaintsOf(text: string): readonly string[] {
  try {
    specs(text);
    return [];
  } catch (error) {
    return (error as { parts: { why?: readonly string[] } }).parts.why ?? [];
  }
}

describe("declarations", () => {
  it("are read from YAML, with defaults filled in", () => {
    const [spec] = readSpecs(
      parseDocuments("name: digits\nmodel: digits\nversion: champion\nplacement:\n  edge: { min: 2 }\n", "f.yaml"),
    );
    expect(spec?.placement).toMatchObject({
      residency: "any",
      edge: { min: 2, every: false },
      cloud: { min: 0 },
      spread: "zone",
    });
  });

  it("are read from JSON", () => {
    expect(specs('{"name": "digits", "model": "digits", "version": 3}')).toMatchObject([
      { name: "digits", version: 3 },
    ]);
  });

  it("may be many in one file, empty documents aside", () => {
    const text = "---\nname: a\nmodel: m\nversion: 1\n---\n# nothing\n---\nname: b\nmodel: m\nversion: 2\n";
    expect(specs(text).map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("may be a list, or what `deployments ls -o json` printed", () => {
    const one = { name: "a", model: "m", version: 1 };
    expect(specs(JSON.stringify([one]))).toHaveLength(1);
    expect(
      specs(JSON.stringify({ items: [{ name: "a", spec: one, generation: 4, status: {} }], nextCursor: null })),
    ).toMatchObject([one]);
  });

  it("may say their kind", () => {
    expect(specs("kind: Deployment\nname: a\nmodel: m\nversion: 1\n")).toHaveLength(1);
  });

  it("are refused with every complaint, each with its document and field", () => {
    const text =
      "name: a\nmodel: m\nversion: 1\nreplicas: 3\n---\nname: b\nversion: [1]\nplacement: { edge: { min: -1 } }\n";
    expect(complaintsOf(text)).toEqual([
      "f.yaml, document 1 (line 1): replicas is not a known field; known are `name`, `model`, `version`, `placement`, `priority`, `paused`, `slo`, `update`, `limits`",
      "f.yaml, document 2 (line 6): model: Invalid input: expected string, received undefined",
      "f.yaml, document 2 (line 6): version must be a version number or an alias such as champion",
      "f.yaml, document 2 (line 6): placement.edge.min: Too small: expected number to be >=0",
    ]);
  });

  it("are refused when one name is declared twice", () => {
    expect(complaintsOf("name: a\nmodel: m\nversion: 1\n---\nname: a\nmodel: m\nversion: 2\n")).toEqual([
      'deployment "a" is declared more than once',
    ]);
  });

  it("are refused when the file is empty or broken", () => {
    expect(complaintsOf("# only a comment\n")).toEqual(["there is no document in it"]);
    expect(complaintsOf("name: [\n")[0]).toContain("line 2");
  });

  it("are refused when nested aliases would fill the memory", () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(", ")}]`,
    );
    expect(complaintsOf(["l0: &l0 [x]", ...levels].join("\n"))[0]).toContain("alias");
  });
});
