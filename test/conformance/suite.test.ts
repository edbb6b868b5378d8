import { describe, expect, it } from "@jest/globals";
import { caseFile } from "./case.ts";
import { loadCases, select } from "./load-cases.ts";
import { differences } from "./match.ts";
import { MODELS } from "./models.ts";
import { blobBytes } from "./tensor-bytes.ts";

describe("the rules by which an answer is compared", () => {
  it.each<[string, unknown, unknown]>([
    ["more keys than were asked for", { a: 1 }, { a: 1, b: 2 }],
    ["nested data for flat data", { $flat: [1, 2, 3] }, [[1], [2, 3]]],
    ["a long integer by its digits", { $int: "9007199254740993" }, 9007199254740993n],
    ["a missing key that must be missing", { id: { $absent: true } }, {}],
    ["an array with more items", { $includes: [{ a: 1 }] }, [{ b: 1 }, { a: 1, c: 2 }]],
    ["a number next to it", { $close: [0.3] }, [0.1 + 0.2]],
    ["a text that a pattern finds", { $matches: "^a" }, "abc"],
  ])("take %s", (_, expected, actual) => expect(differences(expected, actual)).toEqual([]));

  it.each<[string, unknown, unknown, string]>([
    ["another value", { a: [1, 2] }, { a: [1, 3] }, "body.a[1] is 3, not 2"],
    ["another length", [1], [1, 2], "body has 2 elements, not 1"],
    ["a key that must be missing", { id: { $absent: true } }, { id: "x" }, 'body.id is there: "x"'],
    ["a key too many", { $exactly: { a: 1 } }, { a: 1, b: 2 }, "body.b should not be there"],
    [
      "a rounded integer",
      { $int: "9007199254740993" },
      9007199254740992,
      "body is 9007199254740992, not 9007199254740993",
    ],
    ["an item that is not there", { $includes: [1] }, [2], "body has no 1 in [2]"],
    ["a number further away", { $close: 1 }, 1.1, "body is 1.1, not 1"],
    ["a rule that there is not", { $near: 1 }, 1, "body: there is no rule $near"],
  ])("refuse %s, with its place", (_, expected, actual, complaint) =>
    expect(differences(expected, actual)).toEqual([complaint]),
  );
});

describe("the cases", () => {
  it("have names that are unique in their file, and need models that the suite brings", () => {
    const served = new Set(MODELS.map(({ name }) => name));
    for (const { about, cases } of loadCases()) {
      const names = cases.map(({ name }) => name);
      expect([about, names.filter((name, i) => names.indexOf(name) !== i)]).toEqual([about, []]);
      const called = cases.flatMap(({ request }) => /\/models\/(conf-[a-z0-9]+)/.exec(request.path)?.[1] ?? []);
      expect(called.filter((model) => model !== "conf-nothing" && !served.has(model))).toEqual([]);
    }
  });

  it("that the protocol's own text requires need no model and no header of Skerry's", () => {
    const ours = new Set(MODELS.filter(({ isSkerrys }) => isSkerrys).map(({ name }) => name));
    for (const { cases } of select(loadCases(), ["spec"])) {
      for (const { name, request, expect: expected } of cases) {
        const headers = [...Object.keys(request.headers), ...Object.keys(expected.headers)];
        const isOurs =
          headers.some((header) => /^skerry-/i.test(header)) || [...ours].some((model) => request.path.includes(model));
        expect([name, isOurs]).toEqual([name, false]);
      }
    }
  });

  it("are refused when they are misspelt", () => {
    const misspelt = { about: "a", tags: ["spec"], cases: [{ name: "n", request: { path: "/v2" }, expects: {} }] };
    expect(caseFile.safeParse(misspelt).success).toBe(false);
  });
});

describe("the bytes of a tensor", () => {
  it.each([
    [{ FP32: [1, -2.5] }, "0000803f000020c0"],
    [{ FP16: [1] }, "003c"],
    [{ INT64: ["9007199254740993"] }, "0100000000002000"],
    [{ BOOL: [true, false] }, "0100"],
    [{ BYTES: ["hi"] }, "020000006869"],
    [{ hex: "00 ff" }, "00ff"],
  ])("of %j are those of the protocol's page", (blob, hex) => expect(blobBytes(blob).toString("hex")).toBe(hex));
});
