import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { renameModel } from "../../../../../edge-node/adapters/engine/rename-model.ts";

const NAMES = { model: 'digits "é"', version: "3" };

function renamed(json: string, tail: Uint8Array = new Uint8Array(0)) {
  const head = new TextEncoder().encode(json);
  const bytes = new Uint8Array([...head, ...tail]);
  const found = renameModel(bytes, head.byteLength, NAMES);
  if (found === undefined) return undefined;
  return {
    json: JSON.parse(new TextDecoder().decode(found.bytes.subarray(0, found.headerLength))) as unknown,
    tail: found.bytes.subarray(found.headerLength),
  };
}

describe("an answer of another server", () => {
  it.each([
    ["first", '{"model_name":"m","model_version":"1","outputs":[{"name":"y","data":[1.50]}]}'],
    ["last", '{"outputs" : [{"name":"y","data":[1.50]}] , "model_version":null, "model_name" : "m" }'],
    ["with a version that is not said", '{"model_name":"m","outputs":[{"name":"y","data":[1.50]}]}'],
  ])("gets the names by which callers know the model, which stand %s", (_, json) => {
    expect(renamed(json)?.json).toEqual({
      model_name: NAMES.model,
      model_version: "3",
      outputs: [{ name: "y", data: [1.5] }],
    });
  });

  it("keeps tensors as they came, the binary ones too", () => {
    const tail = new Uint8Array([0, 255, 34, 123, 44]);
    expect(renamed('{"model_name":"m","outputs":[]}', tail)?.tail).toEqual(tail);
  });

  it("is left alone in everything but the members of its outermost object", () => {
    const json = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(null, true, "model_name", '"model_version":'),
        fc.array(tie("any"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("model_name", "model_version", "a", "b\\", 'c"'), tie("any"), { maxKeys: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(json, json, fc.boolean(), (before, after, indents) => {
        const value = { before, model_name: "m", model_version: "1", after };
        const text = JSON.stringify(value, undefined, indents ? 2 : undefined);
        expect(renamed(text)?.json).toEqual(
          JSON.parse(JSON.stringify({ ...value, model_name: NAMES.model, model_version: NAMES.version })),
        );
      }),
    );
  });

  it.each(["", "{}", "[]", '{"error":"no"}', '{"outputs":[{"model_name":"m"}]}', '{"model_name'])(
    "is none when it names no model: %s",
    (json) => {
      expect(renamed(json)).toBeUndefined();
    },
  );
});
