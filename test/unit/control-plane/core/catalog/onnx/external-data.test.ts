import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { externalFilesOf } from "../../../../../../control-plane/core/catalog/onnx/external-data.ts";
import { inspectOnnx } from "../../../../../../control-plane/core/catalog/onnx/inspect.ts";
import { field, message, node, onnx, tensor } from "./onnx-bytes.ts";

const entries = (pairs: Readonly<Record<string, string>>): Uint8Array[] =>
  Object.entries(pairs).map(([key, text]) => field(13, message(field(1, key), field(2, text))));
/** Four floats, 16 bytes, that lie where `pairs` say. */
const outside = (pairs: Readonly<Record<string, string>>, ...more: readonly Uint8Array[]): Uint8Array =>
  tensor("w", [4], ...entries(pairs), field(14, 1), ...more);

const FILES = externalFilesOf("model.onnx", [
  { name: "model.onnx", bytes: 500 },
  { name: "model.onnx.data", bytes: 100 },
  { name: "more/part.bin", bytes: 16 },
]);

function refusalOf(initializer: Uint8Array, files = FILES): string | undefined {
  const inspection = inspectOnnx(bytesSource(onnx({ initializers: [initializer] })), files);
  return inspection.kind === "refused" ? inspection.reason : undefined;
}

describe("external data of a bundle", () => {
  it.each([
    [{ location: "model.onnx.data", offset: "84", length: "16" }],
    [{ location: "model.onnx.data" }],
    [{ location: "model.onnx.data", offset: "0", length: "16", checksum: "0123" }],
    [{ location: "more/part.bin", offset: "0" }],
  ])("is accepted inside a file beside the graph: %j", (pairs) => {
    expect(refusalOf(outside(pairs))).toBeUndefined();
  });

  it("is found from the graph's own folder, never above it", () => {
    const files = [
      { name: "onnx/net.onnx", bytes: 9 },
      { name: "onnx/net.data", bytes: 16 },
      { name: "other.data", bytes: 16 },
    ];
    expect([...externalFilesOf("onnx/net.onnx", files)]).toEqual([["net.data", 16]]);
    expect(refusalOf(outside({ location: "net.data" }), externalFilesOf("onnx/net.onnx", files))).toBeUndefined();
    expect(refusalOf(outside({ location: "../other.data" }), externalFilesOf("onnx/net.onnx", files))).toMatch(
      /tensor "w" lies in "..\/other.data"/,
    );
  });

  it.each([
    [
      { location: "weights.bin" },
      'tensor "w" lies in "weights.bin" (external data), which is not a file of the bundle beside its graph: there are "model.onnx.data", "more/part.bin"',
    ],
    [{ location: "model.onnx" }, 'tensor "w" lies in "model.onnx" (external data)'],
    [{ location: "./model.onnx.data" }, 'tensor "w" lies in "./model.onnx.data"'],
    [{ location: "/etc/hostname" }, 'tensor "w" lies in "/etc/hostname"'],
    [{ offset: "0" }, 'tensor "w" lies in another file without a name'],
    [
      { location: "model.onnx.data", offset: "85" },
      'tensor "w" in "model.onnx.data": bytes 85 to 101 are named, and the file has 100',
    ],
    [
      { location: "model.onnx.data", length: "12" },
      'tensor "w" in "model.onnx.data": its shape needs 16 bytes and it names 12',
    ],
    [{ location: "model.onnx.data", offset: "-4" }, 'its offset is "-4", which is no number of bytes'],
    [{ location: "model.onnx.data", offset: "1e1" }, 'its offset is "1e1", which is no number of bytes'],
    [{ location: "model.onnx.data", offset: "9".repeat(16) }, "which is no number of bytes"],
    [
      { location: "model.onnx.data", prepacked_0: "1|2" },
      'a tensor\'s external data has the unknown key "prepacked_0"',
    ],
  ])("is refused: %j", (pairs, why) => {
    expect(refusalOf(outside(pairs))).toContain(why);
  });

  it("is refused with bytes of its own, without EXTERNAL, with a key twice, and as strings", () => {
    const inside = { location: "model.onnx.data" };
    expect(refusalOf(outside(inside, field(9, new Uint8Array(16))))).toContain("it has bytes of its own, too");
    expect(refusalOf(tensor("w", [4], ...entries(inside)))).toContain("lies in");
    expect(refusalOf(outside(inside, ...entries(inside)))).toContain('the key "location" twice');
    const strings = message(field(1, 4), field(2, 8), field(8, "w"), ...entries(inside), field(14, 1));
    expect(refusalOf(strings)).toContain("strings may not lie in another file");
  });

  it("is refused in an attribute: only initializers may lie outside", () => {
    const constant = outside({ location: "model.onnx.data" });
    const attribute = message(field(1, "value"), field(5, constant), field(20, 4));
    const inspection = inspectOnnx(bytesSource(onnx({ nodes: [node("Constant", field(5, attribute))] })), FILES);
    expect(inspection).toMatchObject({ kind: "refused", reason: expect.stringContaining("external data") });
  });

  it("lets no tensor through whose bytes do not all lie inside a listed file", () => {
    const location = fc.oneof(fc.constantFrom(...FILES.keys(), "..", "/", "model.onnx"), fc.string());
    const number = fc.option(fc.oneof(fc.nat(120).map(String), fc.string({ maxLength: 5 })), { nil: undefined });
    fc.assert(
      fc.property(location, number, number, (where, offset, length) => {
        const pairs = {
          location: where,
          ...(offset !== undefined && { offset }),
          ...(length !== undefined && { length }),
        };
        if (refusalOf(outside(pairs)) !== undefined) return;
        const size = FILES.get(where) ?? -1;
        expect(Number(offset ?? 0) + 16).toBeLessThanOrEqual(size);
        expect(Number(length ?? 16)).toBe(16);
      }),
    );
  });
});
