import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { inspectGguf } from "../../../../../../control-plane/core/catalog/gguf/inspect.ts";
import { tinyGguf, type TinyModel } from "../../../../../support/models/text/tiny-gguf.ts";

const inspect = (model?: TinyModel) => inspectGguf(bytesSource(tinyGguf(model)));

/** Values as a file has them. */
const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(12, 0);
  bytes.writeDoubleLE(value, 4);
  return bytes;
};
const integers = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(16 + 4 * values.length);
  bytes.writeUInt32LE(9, 0);
  bytes.writeUInt32LE(5, 4);
  bytes.writeBigUInt64LE(BigInt(values.length), 8);
  for (const [i, value] of values.entries()) bytes.writeInt32LE(value, 16 + 4 * i);
  return bytes;
};

describe("inspectGguf", () => {
  it("reads what a model is and what it will need out of the head of its file", () => {
    expect(inspect()).toEqual({
      kind: "model",
      model: {
        architecture: "llama",
        title: "Tiny alphabet",
        parameters: 632_000,
        quantization: "F32",
        contextTokens: 512,
        vocabulary: 298,
        // One layer of 5 heads, 64 numbers wide, twice, of 2 bytes.
        cacheBytesPerToken: 1_280,
        hasChatTemplate: true,
      },
    });
  });

  it("tells a model without a chat template", () => {
    expect(inspect({ chatTemplate: null })).toMatchObject({ model: { hasChatTemplate: false } });
  });

  it("counts the heads that share keys and values once in the cache", () => {
    const found = inspect({ metadata: { "llama.attention.head_count_kv": 1 } });
    expect(found).toMatchObject({ model: { cacheBytesPerToken: 256 } });
  });

  it.each([
    ["an encoder", { "general.architecture": "bert" }, /turn text into vectors/],
    ["an adapter", { "general.type": "adapter" }, /holds "adapter" and no model/],
    ["one part of several", { "split.count": 3 }, /one part of several: join them/],
    ["another architecture than its keys are of", { "general.architecture": "mamba" }, /lacks "mamba.context_length"/],
    ["a model without layers", { "llama.block_count": 0 }, /"llama.block_count" is 0/],
  ])("refuses %s", (_, metadata, reason) => {
    expect(inspect({ metadata })).toEqual({ kind: "refused", reason: expect.stringMatching(reason) });
  });

  it.each(
    [
      "general.alignment",
      "split.count",
      "llama.context_length",
      "llama.block_count",
      "llama.embedding_length",
      "llama.attention.head_count",
      "llama.attention.head_count_kv",
      "llama.attention.key_length",
      "llama.attention.value_length",
    ].flatMap((key) => [Number.NaN, Infinity, -1, 1.5, 2 ** 53].map((value) => ({ key, value }))),
  )("refuses a file whose $key is $value, and names it", ({ key, value }) => {
    const reason = expect.stringContaining(`its "${key}" is ${value}`);
    expect(inspect({ metadata: { [key]: float(value) } })).toEqual({ kind: "refused", reason });
  });

  it("adds up a figure that a file has for each layer, and refuses one that counts nothing", () => {
    const heads = (...each: readonly number[]) =>
      inspect({ metadata: { "llama.attention.head_count_kv": integers(...each) } });
    expect(heads(1, 0, 1)).toMatchObject({ model: { cacheBytesPerToken: 512 } });
    const reason = expect.stringContaining('its "llama.attention.head_count_kv" is -1');
    expect(heads(2, -1)).toEqual({ kind: "refused", reason });
  });

  it.each(["key_length", "value_length"])("refuses figures whose cache nobody can count, by %s", (name) => {
    const metadata = { [`llama.attention.${name}`]: float(2 ** 53 - 1) };
    const reason = expect.stringMatching(/"llama.attention.head_count" .* a cache of \d+ bytes for each token/);
    expect(inspect({ metadata })).toEqual({ kind: "refused", reason });
  });

  it("refuses a file that was cut, wherever", () => {
    const whole = tinyGguf();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (length) => {
        expect(inspectGguf(bytesSource(whole.subarray(0, length))).kind).toBe("refused");
      }),
    );
  });

  it("ends in a verdict for any damage of its head", () => {
    const head = 8_192;
    const whole = tinyGguf();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: head - 8 }), fc.uint8Array({ minLength: 8, maxLength: 8 }), (at, bytes) => {
        const damaged = Buffer.from(whole);
        damaged.set(bytes, at);
        expect(["model", "refused"]).toContain(inspectGguf(bytesSource(damaged)).kind);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses what is no GGUF", () => {
    const other = inspectGguf(bytesSource(Buffer.from("PK and more than twenty-four bytes of it")));
    expect(other).toEqual({ kind: "refused", reason: expect.stringContaining("does not begin with GGUF") });
  });
});
