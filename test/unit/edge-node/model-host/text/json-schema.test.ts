import { describe, expect, it } from "@jest/globals";
import { grammarSchema } from "../../../../../edge-node/model-host/text/json-schema.ts";

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

  it("writes a list of types as one schema for each, with what is said of that type", () => {
    const schema = {
      type: ["object", "string", "null"],
      properties: { a: { type: ["array", "integer"], items: { type: "null" } } },
      required: ["a"],
      maxLength: 3,
    };
    expect(grammarSchema(schema)).toEqual({
      oneOf: [
        {
          type: "object",
          properties: { a: { oneOf: [{ type: "array", items: { type: "null" } }, { type: "integer" }] } },
          required: ["a"],
        },
        { type: "string", maxLength: 3 },
        { type: "null" },
      ],
    });
  });

  it("lets an object have any properties when none are named", () => {
    expect(grammarSchema({ type: ["object", "null"] })).toEqual({
      oneOf: [{ type: "object", additionalProperties: true }, { type: "null" }],
    });
  });

  it("leaves out a type that the listed values are of", () => {
    expect(grammarSchema({ type: "string", enum: ["a", "b"] })).toEqual({ enum: ["a", "b"] });
    expect(grammarSchema({ type: ["integer", "null"], const: null })).toEqual({ const: null });
  });

  it("takes a definition that holds itself inside an object", () => {
    const schema = {
      $ref: "#/definitions/tree",
      definitions: { tree: { type: "object", properties: { in: { type: "array", items: { $ref: "#/$defs/tree" } } } } },
    };
    expect(grammarSchema(schema)).toEqual({
      $ref: "#/$defs/tree",
      $defs: { tree: { type: "object", properties: { in: { type: "array", items: { $ref: "#/$defs/tree" } } } } },
    });
  });

  it.each([
    ["a pattern", { type: "string", pattern: "^a" }, /the schema has `pattern`/],
    [
      "a bound of a number",
      { type: "object", properties: { age: { type: "integer", minimum: 0 } } },
      /properties → age has `minimum`/,
    ],
    ["an unknown format", { type: "string", format: "email" }, /format is none of/],
    ["a huge length", { type: "string", minLength: 1_000_000 }, /minLength is no whole number from 0 to 1000/],
    ["an anything", {}, /the schema has no `type`/],
    ["properties without a type", { properties: { a: { type: "null" } } }, /the schema has no `type`/],
    ["a property without a type", { type: "object", properties: { a: {} } }, /properties → a has no `type`/],
    ["an unknown type", { type: "text" }, /type is none of object, array/],
    ["an unknown type in a list", { type: ["string", "text"] }, /type is none of object, array/],
    ["no types", { type: [] }, /type is none of object, array/],
    ["a keyword of another type", { type: "string", minItems: 1 }, /has `minItems`, which says nothing of its type/],
    ["a reference to the whole", { type: "array", items: { $ref: "#" } }, /items → \$ref is none of the definitions/],
    ["a missing definition", { $ref: "#/$defs/b", $defs: { a: { type: "null" } } }, /\$ref is none of the definitions/],
    ["an inherited definition", { $ref: "#/$defs/toString" }, /\$ref is none of the definitions/],
    ["a definition that is itself", { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } }, /→ a refers to itself/],
    [
      "a definition that begins with itself",
      {
        $ref: "#/$defs/a",
        $defs: { a: { anyOf: [{ type: "null" }, { $ref: "#/$defs/b" }] }, b: { $ref: "#/$defs/a" } },
      },
      /→ a refers to itself/,
    ],
    ["inner definitions", { type: "array", items: { type: "null", $defs: {} } }, /items has definitions/],
    ["a required name of no property", { type: "object", required: ["b"] }, /required has "b", which is none of/],
    ["a keyword beside oneOf", { type: "object", oneOf: [{ type: "null" }] }, /has `type` beside `oneOf`/],
    ["a keyword beside $ref", { $ref: "#/$defs/a", minLength: 1, $defs: {} }, /has `minLength` beside `\$ref`/],
    ["a keyword beside enum", { type: "string", enum: ["a"], maxLength: 1 }, /has `maxLength` beside `enum`/],
    ["enum beside const", { enum: [1], const: 1 }, /has `const` beside `enum`/],
    ["oneOf beside anyOf", { oneOf: [{ type: "null" }], anyOf: [{ type: "null" }] }, /has `oneOf` under two names/],
    ["a value of another type", { type: "string", enum: ["a", 1] }, /enum has a value of another type/],
    ["an object for a value", { enum: [{ a: 1 }] }, /enum has a list or an object/],
    ["no value", { enum: [] }, /enum is empty/],
    ["a longest below the shortest", { type: "string", minLength: 2, maxLength: 1 }, /`maxLength` below `minLength`/],
    ["too few items", { type: "array", minItems: 2, maxItems: 1 }, /`maxItems` below `minItems`/],
    ["too few items for the first", { type: "array", prefixItems: [{ type: "null" }], maxItems: 0 }, /`prefixItems`/],
    ["a length of a date", { type: "string", format: "date", maxLength: 3 }, /a length beside `format`/],
    [
      "fewer properties than it has",
      { type: "object", properties: { a: { type: "null" } }, maxProperties: 0 },
      /`maxProperties` below its `properties`/,
    ],
    [
      "more properties than may be",
      { type: "object", properties: {}, minProperties: 1 },
      /`minProperties` above its `properties`/,
    ],
    ["a list for an object", { type: "object", properties: { a: [] } }, /properties → a is no object/],
  ])("refuses %s and says where it is", (_, schema, message) => {
    expect(() => grammarSchema(schema)).toThrow(message);
  });
});
