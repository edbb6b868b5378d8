import { describe, expect, it } from "@jest/globals";
import { grammarSchema } from "../../../../../edge-node/model-host/gguf/json-schema.ts";

describe("grammarSchema", () => {
  it("keeps what an answer can be held to and leaves out what says nothing of it", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: "City",
      type: "object",
      properties: { name: { type: "string", description: "its name", maxLength: 20 }, size: { $ref: "#/$defs/size" } },
      required: ["name"],
      additionalProperties: false,
      $defs: { size: { type: "integer" } },
    };
    expect(grammarSchema(schema)).toEqual({
      type: "object",
      properties: { name: { type: "string", maxLength: 20 }, size: { $ref: "#/$defs/size" } },
      required: ["name"],
      additionalProperties: false,
      $defs: { size: { type: "integer" } },
    });
  });

  it("writes anyOf as oneOf, which means the same to a writer", () => {
    const schema = { anyOf: [{ type: "integer" }, { type: "null" }] };
    expect(grammarSchema(schema)).toEqual({ oneOf: [{ type: "integer" }, { type: "null" }] });
  });

  it.each([
    ["a pattern", { type: "string", pattern: "^a" }, /the schema has `pattern`/],
    ["a bound of a number", { properties: { age: { type: "integer", minimum: 0 } } }, /properties → age has `minimum`/],
    ["an unknown format", { type: "string", format: "email" }, /format is none of/],
    ["a huge length", { type: "string", minLength: 1_000_000 }, /minLength is no whole number from 0 to 1000/],
    ["a list for an object", { properties: { a: [] } }, /properties → a is no object/],
  ])("refuses %s and says where it is", (_, schema, message) => {
    expect(() => grammarSchema(schema)).toThrow(message);
  });
});
