import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { inspectOnnx } from "../../../../../../control-plane/core/catalog/onnx/inspect.ts";
import {
  field,
  graph,
  graphAttribute,
  message,
  node,
  noise,
  onnx,
  tensor,
  varint,
  type ModelParts,
} from "./onnx-bytes.ts";

function refusal(bytes: Uint8Array): string | undefined {
  const inspection = inspectOnnx(bytesSource(bytes));
  return inspection.kind === "refused" ? inspection.reason : undefined;
}

const refusalOf = (parts: ModelParts): string | undefined => refusal(onnx(parts));

const entry = (key: string, text: string): Uint8Array => field(13, message(field(1, key), field(2, text)));
const external = (location: string): Uint8Array => tensor("w", [4], entry("location", location), field(14, 1));
const EXTERNAL = /a tensor lies in another file \(external data\)/;

/** A graph `depth` levels deep, the innermost with `initializer`. */
function nested(depth: number, initializer: Uint8Array): Uint8Array {
  let inner = graph({ initializers: [initializer] });
  for (let level = 1; level < depth; level += 1)
    inner = graph({ nodes: [node("If", field(5, graphAttribute("then_branch", inner)))] });
  return inner;
}

describe("external data", () => {
  it.each(["weights.bin", "../../etc/passwd", "/etc/passwd", "C:\\weights.bin"])(
    "is refused wherever it points: %s",
    (location) => {
      expect(refusalOf({ initializers: [external(location)] })).toMatch(EXTERNAL);
      expect(refusalOf({ initializers: [external(location)] })).toContain(
        JSON.stringify(location).replaceAll("\\\\", "\\"),
      );
    },
  );

  it("is refused when it claims to lie in memory", () => {
    expect(refusalOf({ initializers: [external("*/_ORT_MEM_ADDR_/*")] })).toMatch(
      /claims to lie in memory \(_ORT_MEM_ADDR_\)/,
    );
  });

  it.each([
    ["without a location", tensor("w", [4], field(14, 1))],
    [
      "with a location that EXTERNAL does not announce",
      tensor("w", [4], entry("location", "w.bin"), field(9, new Uint8Array(16))),
    ],
    [
      "with a place that is EXTERNAL once cut down to 32 bits",
      tensor("w", [4], field(14, (1n << 32n) + 1n), field(9, new Uint8Array(16))),
    ],
  ])("is refused %s", (_what, initializer) => {
    expect(refusalOf({ initializers: [initializer] })).toMatch(EXTERNAL);
  });

  it("is refused in the value of a Constant, and in a list of tensors", () => {
    const constant = node("Constant", field(5, message(field(1, "value"), field(5, external("w.bin")), field(20, 4))));
    expect(refusalOf({ nodes: [constant] })).toMatch(EXTERNAL);
    expect(
      refusalOf({
        nodes: [node("Custom", field(5, message(field(10, tensor("a", [1])), field(10, external("w.bin")))))],
      }),
    ).toMatch(EXTERNAL);
  });

  it.each([2, 3, 16])("is refused in a graph inside a graph, %i deep", (depth) => {
    const body = nested(depth - 1, external("w.bin"));
    expect(refusalOf({ nodes: [node("Loop", field(5, graphAttribute("body", body)))] })).toMatch(EXTERNAL);
    expect(refusalOf({ nodes: [node("Any", field(5, message(field(1, "list"), field(11, body))))] })).toMatch(EXTERNAL);
  });
});

describe("a file made to do harm", () => {
  it("is refused when its graphs stand too deep inside one another", () => {
    expect(
      refusalOf({ nodes: [node("If", field(5, graphAttribute("then_branch", nested(15, tensor("w", [1])))))] }),
    ).toBeUndefined();
    for (const depth of [16, 17, 1_000]) {
      const body = nested(depth, tensor("w", [1]));
      expect(refusalOf({ nodes: [node("If", field(5, graphAttribute("then_branch", body)))] })).toBe(
        "graphs stand inside one another more than 16 deep",
      );
    }
  });

  it("is refused with too many nodes or initializers, in whichever graph they are", () => {
    const empty = field(1, message());
    const many = (count: number): Uint8Array =>
      new Uint8Array(count * empty.length).map((_, index) => empty[index % empty.length] ?? 0);
    expect(refusalOf({ more: [many(100_001)] })).toBe("the model has more than 100000 nodes");
    const body = message(many(60_000));
    expect(
      refusalOf({ more: [many(60_000), field(1, node("If", field(5, graphAttribute("then_branch", body))))] }),
    ).toBe("the model has more than 100000 nodes");
    const scalar = field(5, tensor("", [0]));
    const scalars = new Uint8Array(100_001 * scalar.length).map((_, index) => scalar[index % scalar.length] ?? 0);
    expect(refusalOf({ more: [scalars] })).toBe("the model has more than 100000 initializers");
  });

  it.each([
    [
      "more than is there",
      tensor("w", [1_000_000], field(9, new Uint8Array(4))),
      /tensor "w" \(FLOAT\): its shape needs 4000000 bytes and it has 4/,
    ],
    [
      "a product beyond 2^64",
      tensor("w", [2 ** 40, 2 ** 40], field(9, new Uint8Array(4))),
      /its shape needs 4\.8\d+e\+24 bytes/,
    ],
    [
      "infinity times nothing",
      tensor("w", [...Array.from({ length: 30 }, () => 2 ** 62), 0], field(9, new Uint8Array(0))),
      /its shape needs NaN bytes/,
    ],
    ["a negative dimension", tensor("w", [-4], field(9, new Uint8Array(4))), /has a dimension of -4/],
    [
      "numbers that are not there",
      tensor("w", [3], field(4, new Uint8Array(8))),
      /needs 3 numbers in float_data and it has 2/,
    ],
    ["half a number", tensor("w", [3], field(4, new Uint8Array(11))), /holds 11 bytes, which is no multiple of 4/],
  ])("is refused when a tensor claims %s", (_what, initializer, reason) => {
    expect(refusalOf({ initializers: [initializer] })).toMatch(reason);
  });

  it("may give a tensor's numbers in its own fields, packed or one by one", () => {
    const int64s = message(
      field(1, 3),
      field(2, 7),
      field(8, "packed"),
      field(7, message(varint(1), varint(300), varint(-1))),
    );
    const single = message(field(1, 2), field(2, 7), field(8, "single"), field(7, 5), field(7, -5));
    const strings = message(field(1, 2), field(2, 8), field(8, "strings"), field(6, "a"), field(6, "b"));
    expect(refusalOf({ initializers: [int64s, single, strings] })).toBeUndefined();
  });

  it("is refused when a label is not UTF-8, in an initializer and in an attribute, which it names", () => {
    const broken = Uint8Array.of(0x61, 0xff);
    const labels = message(field(1, 2), field(2, 8), field(6, "a"), field(6, broken), field(8, "labels"));
    expect(refusalOf({ initializers: [labels] })).toMatch(/element 1 of tensor "labels" is a text that is not UTF-8/);
    const list = message(field(1, "keys_strings"), field(9, "a"), field(9, "b\0"), field(9, broken), field(20, 8));
    expect(refusalOf({ nodes: [node("LabelEncoder", field(5, list))] })).toMatch(
      /element 2 of attribute "keys_strings" of an operator "LabelEncoder" is a text that is not UTF-8/,
    );
    const single = message(field(1, "default_string"), field(4, broken), field(20, 3));
    expect(refusalOf({ nodes: [node("LabelEncoder", field(5, single))] })).toMatch(/attribute "default_string"/);
  });

  it("is refused with a length beyond its message, a key that is none, or a number without end", () => {
    expect(refusal(message(field(1, 8), Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f)))).toMatch(
      /the graph claims 4294967295 bytes where 0 are left/,
    );
    const backwards = message(field(1, 8), varint(7 * 8 + 2), varint(-5));
    expect(refusal(backwards)).toMatch(/the graph claims -5 bytes where 0 are left/);
    expect(refusal(Uint8Array.of(0x00, 0x01))).toMatch(/there is no field 0/);
    expect(refusal(Uint8Array.of(0x08, ...Array.from({ length: 11 }, () => 0xff)))).toMatch(
      /a number of more than 10 bytes/,
    );
    expect(refusal(Uint8Array.of(0x0b))).toMatch(/a field of the unknown kind 3/);
  });

  it("gets an answer, never an exception, whatever its bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => expect(isAnswered(bytes)).toBe(true)),
      { numRuns: 2_000 },
    );
  });

  it("gets an answer when a real model is damaged or cut anywhere", () => {
    const model = new Uint8Array(
      readFileSync(new URL("../../../../../../examples/digits/models/digits-small.onnx", import.meta.url)),
    );
    const damage = fc.array(fc.record({ at: fc.nat(model.length - 1), to: fc.nat(255) }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(damage, fc.nat(model.length), fc.boolean(), (changes, length, isCut) => {
        const bytes = model.slice(0, isCut ? length : model.length);
        for (const { at, to } of changes) bytes[at % Math.max(1, bytes.length)] = to;
        expect(isAnswered(bytes)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is read once from its beginning to its end, whatever it is made of, so the time grows with its length alone", () => {
    const emptyFields = new Uint8Array(1_000_000).map((_, index) => (index % 2 === 0 ? 0x78 : 0));
    const manyTexts = message(...Array.from({ length: 500 }, () => field(6, "text ".repeat(400))));
    const deep = onnx({
      nodes: [node("If", field(5, graphAttribute("then_branch", nested(15, tensor("w", [100_000])))))],
    });
    for (const bytes of [emptyFields, manyTexts, deep, noise(1_000_000, 1)]) {
      let bytesRead = 0;
      let position = 0;
      inspectOnnx({
        size: bytes.length,
        read(offset, length) {
          // The first bytes once more, when a refused file is compared with known formats.
          if (offset > 0) expect(offset).toBeGreaterThan(position);
          position = offset;
          bytesRead += length;
          return bytes.slice(offset, offset + length);
        },
      });
      // A name at the end of a window is read a second time.
      expect(bytesRead).toBeLessThan(1.2 * bytes.length + 100_000);
    }
  });

  it("is refused with more fields than any model has", () => {
    const piece = new Uint8Array(65_536).map((_, index) => (index % 2 === 0 ? 0x78 : 0));
    const endless = { size: 2_000_000_000, read: (_offset: number, length: number) => piece.subarray(0, length) };
    expect(inspectOnnx(endless)).toEqual({ kind: "refused", reason: "the file has more than 50000000 fields" });
  });
});

function isAnswered(bytes: Uint8Array): boolean {
  const inspection = inspectOnnx(bytesSource(bytes));
  return inspection.kind === "refused" ? inspection.reason.length > 0 : inspection.model.outputs.length > 0;
}
