import { describe, expect, it } from "@jest/globals";
import { readDeclarations } from "../../../../cli/spec/declarations.ts";
import { parseDocuments } from "../../../../cli/spec/read-documents.ts";

const read = (text: string) => readDeclarations(parseDocuments(text, "f.yaml"));
const specs = (text: string) => read(text).deployments;

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
    const [spec] = specs("name: digits\nmodel: digits\nversion: champion\nplacement:\n  edge: { min: 2 }\n");
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
      "f.yaml, document 1 (line 1): replicas is not a known field; known are `name`, `model`, `version`, `variant`, `placement`, `priority`, `paused`, `slo`, `update`, `rollout`, `cascade`, `streams`, `limits`",
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

describe("declarations of pools", () => {
  const gpu = "name: gpu\nnamespace: skerry\ndeployment: skerry-node-gpu\nmax: 4\n";

  it("are known by what they scale, or by their kind, among deployments", () => {
    const { pools, deployments } = read(
      `${gpu}---\nname: digits\nmodel: digits\nversion: 1\n---\nkind: CloudPool\n${gpu.replace("gpu", "spot")}`,
    );
    expect(pools).toEqual([
      { name: "gpu", namespace: "skerry", deployment: "skerry-node-gpu", min: 0, max: 4, priority: 0 },
      { name: "spot", namespace: "skerry", deployment: "skerry-node-gpu", min: 0, max: 4, priority: 0 },
    ]);
    expect(deployments.map(({ name }) => name)).toEqual(["digits"]);
  });

  it("may be what `pools get -o json` printed", () => {
    const found = { wanted: 1, replicas: 1, ready: 1, pending: 0, trouble: null, pods: [], recordedAgeMs: 5 };
    const spec = { name: "gpu", namespace: "skerry", deployment: "skerry-node-gpu", min: 1, max: 4, priority: 2 };
    expect(read(JSON.stringify({ ...spec, site: null, ...found })).pools).toEqual([spec]);
  });

  it("are refused with every complaint, among those of deployments", () => {
    expect(complaintsOf(`${gpu}replicas: 2\n---\n${gpu}min: 5\n---\nname: a\n---\n${gpu}---\n${gpu}`)).toEqual([
      "f.yaml, document 3 (line 13): model: Invalid input: expected string, received undefined",
      "f.yaml, document 3 (line 13): version must be a version number or an alias such as champion",
      "f.yaml, document 1 (line 1): replicas is not a known field; known are `name`, `namespace`, `deployment`, `min`, `max`, `site`, `priority`",
      "f.yaml, document 2 (line 7): max: must not be below `min`",
      'pool "gpu" is declared more than once',
    ]);
  });
});
