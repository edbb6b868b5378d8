import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { inspectGguf } from "../../../../../../control-plane/core/catalog/gguf/inspect.ts";
import { tinyGguf, type TinyModel } from "../../../../../support/models/tiny-gguf.ts";

const inspect = (model?: TinyModel) => inspectGguf(bytesSource(tinyGguf(model)));

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
    fc.assert(
      fc.property(fc.integer({ min: 0, max: head - 8 }), fc.uint8Array({ minLength: 8, maxLength: 8 }), (at, bytes) => {
        const damaged = Buffer.from(tinyGguf());
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
