import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { AnswerFormats } from "../../../../../edge-node/model-host/grammar/answer-formats.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { isValid, schemas } from "./support/json-schemas.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Each byte, what JSON often has, and some that begin or end within a string. Token 0 ends the text. */
const END = 0;
const WORDS = [
  '{"',
  '":',
  '": ',
  '",',
  '", "',
  '"}',
  '"]',
  '["',
  "null",
  "true",
  "12",
  "34",
  ", ",
  "}}",
  "é",
  '\\"',
  "\\u00",
  "a",
  "ab",
  'ab"',
  "ende",
  ' "',
  "\n  ",
  "-02-",
  "T1",
  "2024-02-29",
  ":5",
];
const BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
const bytesOf = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const TOKENS: readonly (string | undefined)[] = [undefined, ...BYTES, ...WORDS.map(bytesOf)];
const formats = new AnswerFormats(TOKENS, new Set([END]));
const MAX_TOKENS = 400;
/** An answer in a hurry closes what is open. */
const CLOSING = ['"', "]", "}", ",", "0", "a"].map((text) => TOKENS.indexOf(text));

const formatOf = (schema: Schema) => {
  const format = formats.of({ type: "json_schema", json_schema: { name: "answer", schema } });
  if (format === undefined) throw new Error("a schema is a format");
  return format;
};

/** What a model with these whims writes; undefined when it has not come to an end. */
function written(schema: Schema, seed: number): string | undefined {
  const random = seededRandom(seed);
  const follower = formatOf(schema).follow();
  let bytes = "";
  for (let step = 0; step < MAX_TOKENS; step += 1) {
    const mask = follower.allowed();
    const allowed = TOKENS.flatMap((_, token) => (mask.has(token) ? [token] : []));
    const closing = step < 20 * random.next() ? undefined : CLOSING.find((token) => mask.has(token));
    const token =
      (mask.has(END) && random.next() < 0.5 ? END : closing) ?? allowed[Math.floor(random.next() * allowed.length)];
    if (token === undefined) throw new Error(`nothing may follow ${bytes}`);
    if (token === END) return Buffer.from(bytes, "latin1").toString("utf8");
    bytes += TOKENS[token];
    follower.take(token);
    if (follower.isOver) return Buffer.from(bytes, "latin1").toString("utf8");
  }
  return undefined;
}

/** Whether a text may be written byte by byte, and may end there. */
function takes(schema: Schema, text: string): boolean {
  const follower = formatOf(schema).follow();
  for (const byte of bytesOf(text)) {
    const token = TOKENS.indexOf(byte);
    if (!follower.allowed().has(token)) return false;
    follower.take(token);
  }
  return follower.isOver || follower.allowed().has(END);
}

describe("AnswerFormats", () => {
  it("makes every answer that comes to its end one that parses and fits the schema", () => {
    let ended = 0;
    fc.assert(
      fc.property(schemas, fc.integer(), (schema, seed) => {
        const text = written(schema, seed);
        if (text === undefined) return;
        ended += 1;
        const value: unknown = JSON.parse(text);
        if (!isValid(value, schema)) throw new Error(`${text} does not fit ${JSON.stringify(schema)}`);
        if (JSON.stringify(schema).includes('"number"') || JSON.stringify(schema).includes("true")) return;
        if (!takes(schema, JSON.stringify(value))) throw new Error(`${JSON.stringify(value)} is not taken`);
      }),
      { numRuns: 120, endOnFailure: true },
    );
    expect(ended).toBeGreaterThan(80);
  });

  it("allows a token exactly where each of its bytes may follow", () => {
    let compared = 0;
    fc.assert(
      fc.property(schemas, fc.integer(), (schema, seed) => {
        const random = seededRandom(seed);
        const format = formatOf(schema);
        const follower = format.follow();
        const path: number[] = [];
        for (let step = 0; step < 12 && !follower.isOver; step += 1) {
          const mask = follower.allowed();
          const word = 257 + Math.floor(random.next() * WORDS.length);
          const other = format.follow();
          for (const token of path) other.take(token);
          const fits = Array.from(TOKENS[word] ?? "").every((byte) => {
            const token = TOKENS.indexOf(byte);
            const may = other.allowed().has(token);
            if (may) other.take(token);
            return may;
          });
          compared += 1;
          if (mask.has(word) !== fits)
            throw new Error(`${TOKENS[word]} behind ${path.map((each) => TOKENS[each]).join("")}`);
          const allowed = TOKENS.flatMap((_, token) => (token !== END && mask.has(token) ? [token] : []));
          const next = allowed[Math.floor(random.next() * allowed.length)];
          if (next === undefined) return;
          follower.take(next);
          path.push(next);
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
    expect(compared).toBeGreaterThan(200);
  });

  it("ends an answer where nothing may follow, and leaves the end of a number to the model", () => {
    const whole = formatOf({ const: true }).follow();
    for (const each of "tru") whole.take(TOKENS.indexOf(each));
    expect(whole.allowed().has(END)).toBe(false);
    whole.take(TOKENS.indexOf("e"));
    expect(whole.isOver).toBe(true);
    const number = formatOf({ type: "integer" }).follow();
    number.take(TOKENS.indexOf("7"));
    expect([number.isOver, number.allowed().has(END), number.allowed().has(TOKENS.indexOf("12"))]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it.each([
    ["any object", { type: "object" }, '{"a": [1, {"b": null}], "c": "\\u00e9"}', true],
    ["a list for an object", { type: "object" }, "[]", false],
    [
      "a definition within itself",
      { $ref: "#/$defs/t", $defs: { t: { type: "array", items: { $ref: "#/$defs/t" } } } },
      "[[], [[]]]",
      true,
    ],
    ["a leap day", { type: "string", format: "date" }, '"2024-02-29"', true],
    ["a day that there is not", { type: "string", format: "date" }, '"2023-02-29"', false],
    ["a leap day of a century", { type: "string", format: "date" }, '"1900-02-29"', false],
    ["an hour that there is not", { type: "string", format: "time" }, '"24:00:00Z"', false],
    ["half a surrogate pair", { type: "string" }, '"\\ud83d"', false],
    ["a number that is infinite", { type: "number" }, "1e999", false],
    [
      "a further name",
      { type: "object", properties: { ab: { type: "null" } }, additionalProperties: true },
      '{"ab":null,"a":1,"abc":2}',
      true,
    ],
    [
      "a name for the second time",
      { type: "object", properties: { ab: { type: "null" } }, additionalProperties: true },
      '{"ab":null,"ab":1}',
      false,
    ],
    [
      "such a name in other characters",
      { type: "object", properties: { ab: { type: "null" } }, additionalProperties: true },
      '{"ab":null,"\\u0061b":1}',
      false,
    ],
    ["a text between two lines", { type: "array", items: { type: "null" } }, "[\n  null,\n  null\n]", true],
    ["lines without end", { type: "array", items: { type: "null" } }, "[\n\nnull]", false],
  ])("holds an answer to its schema: %s", (_, schema, text, may) => {
    expect(takes(schema, text)).toBe(may);
  });

  it("allows a token that crosses from one count of digits into the next", () => {
    const date = formatOf({ type: "string", format: "date" }).follow();
    date.take(TOKENS.indexOf('"'));
    expect(date.allowed().has(TOKENS.indexOf("2024-02-29"))).toBe(true);
  });

  it("makes a JSON object of what has no schema", () => {
    const follower = formats.of({ type: "json_object" })?.follow();
    expect(follower?.allowed().has(TOKENS.indexOf("{"))).toBe(true);
    expect(follower?.allowed().has(TOKENS.indexOf("["))).toBe(false);
    expect(formats.of({ type: "text" })).toBeUndefined();
  });

  it.each([
    [
      "a value without an end",
      { $ref: "#/$defs/t", $defs: { t: { type: "object", properties: { in: { $ref: "#/$defs/t" } } } } },
      /no value that has an end/,
    ],
    [
      "names that it would have to count",
      { type: "object", additionalProperties: true, minProperties: 1 },
      /`minProperties` above/,
    ],
    ["what its grammar does not know", { type: "string", pattern: "a" }, /has `pattern`/],
  ])("refuses %s", (_, schema, message) => {
    expect(() => formatOf(schema)).toThrow(
      expect.objectContaining({ code: "INVALID_REQUEST", message: expect.stringMatching(message) }),
    );
  });

  it("leaves out a choice that has no end", () => {
    const tree = { type: "object", properties: { in: { $ref: "#/$defs/t" } } };
    const schema = { anyOf: [{ $ref: "#/$defs/t" }, { type: "null" }], $defs: { t: tree } };
    expect([takes(schema, "null"), takes(schema, "{")]).toEqual([true, false]);
  });

  it("refuses a vocabulary that cannot begin", () => {
    const few = new AnswerFormats([undefined, "a"], new Set([END]));
    expect(() => few.of({ type: "json_object" })).toThrow(/no token of the model begins/);
  });

  it("reads hundreds of choices at once that begin alike", () => {
    const items = Array.from({ length: 400 }, (_, at) => ({
      type: "array",
      items: { type: "string", maxLength: 1 + (at % 20) },
      maxItems: 1 + Math.floor(at / 20),
    }));
    const schema = { type: "array", items: { anyOf: items } };
    expect([takes(schema, '[["abc"]]'), takes(schema, `[["${"a".repeat(21)}"]]`)]).toEqual([true, false]);
  });

  it("reads one of thousands of values in a list", () => {
    const schema = { type: "array", items: { enum: Array.from({ length: 5_000 }, (_, at) => `the value ${at}`) } };
    expect([takes(schema, '["the value 4999"]'), takes(schema, '["the value 5000"]')]).toEqual([true, false]);
  });

  it("ends an answer that may be read in too many ways, and no other", () => {
    const lists = Array.from({ length: 40 }, (_, at) => ({
      type: "array",
      items: { $ref: "#/$defs/t" },
      maxItems: at,
    }));
    const dense = formatOf({ $ref: "#/$defs/t", $defs: { t: { anyOf: [...lists, { type: "null" }] } } }).follow();
    const other = formatOf({ type: "array", items: { type: "string" } }).follow();
    const open = TOKENS.indexOf("[");
    const failed = expect.objectContaining({ code: "RUN_FAILED", message: expect.stringMatching(/too many ways/) });
    expect(() => {
      for (let depth = 0; depth < 8; depth += 1) {
        expect(dense.allowed().has(open)).toBe(true);
        dense.take(open);
      }
    }).toThrow(failed);
    for (const each of '["a') other.take(TOKENS.indexOf(each));
    other.take(TOKENS.indexOf('ab"'));
    expect(other.allowed().has(TOKENS.indexOf("]"))).toBe(true);
  });

  it("refuses a schema whose texts are too many to be read", () => {
    const values = Array.from({ length: 400 }, (_, at) => `${"x".repeat(1_000)}${at}`);
    expect(() => formatOf({ enum: values })).toThrow(
      expect.objectContaining({ code: "INVALID_REQUEST", message: expect.stringMatching(/too many texts/) }),
    );
  });
});
