import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { jsonComplaint } from "../../../../../shared/inference/http/json-guard.ts";

describe("the guard before JSON.parse", () => {
  it("refuses what is nested too deeply", () => {
    expect(jsonComplaint("[[[1]]]", 3)).toBeUndefined();
    expect(jsonComplaint("[[[[1]]]]", 3)).toBe("is nested more than 3 levels deep");
    expect(jsonComplaint('{"a":'.repeat(40), 32)).toBe("is nested more than 32 levels deep");
  });

  it("refuses the same key twice in one object, however it is spelt", () => {
    expect(jsonComplaint('{"a":1,"b":{"a":2}}', 32)).toBeUndefined();
    expect(jsonComplaint('{"a":1,"b":2,"a":3}', 32)).toBe("has the key `a` twice in one object");
    expect(jsonComplaint('{"a":1,"\\u0061" : 2}', 32)).toBe("has the key `a` twice in one object");
  });

  it("refuses __proto__ as a key and takes it as a value", () => {
    expect(jsonComplaint('{"__proto__":{}}', 32)).toBe("has a key `__proto__`");
    expect(jsonComplaint('{"__pr\\u006fto__" : {}}', 32)).toBe("has a key `__proto__`");
    expect(jsonComplaint('["__proto__",{"a":"__proto__"}]', 32)).toBeUndefined();
  });

  it("is not confused by what is in strings", () => {
    expect(jsonComplaint('{"a":"{[\\"","b":"}]\\\\"}', 1)).toBeUndefined();
  });

  it("has nothing against JSON that JSON.stringify wrote", () => {
    const keys = fc.string().filter((key) => key !== "__proto__");
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: "small" },
        fc.string(),
        fc.double(),
        fc.boolean(),
        fc.array(tie("any")),
        fc.dictionary(keys, tie("any")),
      ),
    })).any;
    fc.assert(fc.property(value, (any) => expect(jsonComplaint(JSON.stringify(any) ?? "null", 1_000)).toBeUndefined()));
  });

  it("ends on any text", () => {
    const text = fc.string({ unit: fc.constantFrom("{", "}", "[", "]", '"', "\\", ":", "a") });
    fc.assert(fc.property(text, (any) => expect(() => jsonComplaint(any, 8)).not.toThrow()));
  });
});
