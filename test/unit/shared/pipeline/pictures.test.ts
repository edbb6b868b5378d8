import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { readPictureHeader } from "../../../../shared/pipeline/images/header.ts";
import { toMode } from "../../../../shared/pipeline/images/modes.ts";
import { Resampler, RESAMPLINGS } from "../../../../shared/pipeline/images/resample.ts";
import { STEP_KINDS } from "../../../../shared/pipeline/registry.ts";
import type { Value } from "../../../../shared/pipeline/values.ts";
import { TOOLS, valueOf } from "./run-step.ts";

const EXAMPLES = path.join(import.meta.dirname, "../../../../examples/digits");
const pixels = z.array(z.number());
const known = z
  .object({
    source: z.object({ width: z.number(), height: z.number(), pixels }),
    resized: z.array(z.object({ resampling: z.enum(RESAMPLINGS), width: z.number(), height: z.number(), pixels })),
    grey: pixels,
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "pillow-pixels.json"), "utf8")));
const { width, height } = known.source;
const source = { width, height, channels: 3, data: Uint8Array.from(known.source.pixels) };

describe("pictures", () => {
  it("are refused where a narrow, high one would become too large on its way to another size", () => {
    const height = 1_000_000;
    const narrow = { width: 1, height, channels: 1, data: new Uint8Array(height) };
    const params = { width: 224, height: 224, resampling: "bilinear" };
    const resized = (): unknown => valueOf("resize", params, { kind: "pictures", pictures: [narrow] });
    expect(resized).toThrow("it would make 224000000 numbers");
  });

  it.each(known.resized.map((each) => [each.resampling, each.width, each.height, each.pixels] as const))(
    "are resized by %s to %d × %d as Pillow does",
    (by, w, h, expected) => {
      const resampler = new Resampler(by);
      // The second time with the weights that it kept.
      for (let time = 0; time < 2; time += 1)
        expect([...resampler.resize(source, { width: w, height: h }).data]).toEqual(expected);
    },
  );

  it("become grey as Pillow makes them", () => {
    const withAlpha = known.source.pixels.flatMap((value, i) => (i % 3 === 2 ? [value, 255] : [value]));
    const data = Uint8Array.from(withAlpha);
    expect([...toMode({ width, height, channels: 4, data }, "L").data]).toEqual(known.grey);
    expect([...toMode({ width, height, channels: 4, data }, "RGB").data]).toEqual(known.source.pixels);
  });

  it("are cut out of the middle, rounding half a pixel to the even place", () => {
    const cut = valueOf("crop", { width: 4, height: 4 }, { kind: "pictures", pictures: [source] });
    const [picture] = cut.kind === "pictures" ? cut.pictures : [];
    // (7 − 4) / 2 = 1.5 → 2, (5 − 4) / 2 = 0.5 → 0
    const firstRow = known.source.pixels.slice(2 * 3, 6 * 3);
    expect([...(picture?.data.subarray(0, 12) ?? [])]).toEqual(firstRow);
  });

  it("are cut out from a place that is named, and refused where the part would not fit", () => {
    const all: Value = { kind: "pictures", pictures: [source] };
    const cut = valueOf("crop", { width: 3, height: 2, left: 4, top: 3 }, all);
    const [picture] = cut.kind === "pictures" ? cut.pictures : [];
    const rowOf = (y: number): readonly number[] =>
      known.source.pixels.slice((y * width + 4) * 3, (y * width + 4 + 3) * 3);
    expect(picture).toMatchObject({ width: 3, height: 2, channels: 3 });
    expect([...(picture?.data ?? [])]).toEqual([...rowOf(3), ...rowOf(4)]);
    const outside = { width: 3, height: 2, left: 5, top: 3 };
    expect(() => valueOf("crop", outside, all)).toThrow("a picture of 7 × 5 has no part of 3 × 2 there");
    expect(STEP_KINDS.get("crop")?.params.safeParse({ width: 3, height: 2, left: 4 }).error?.issues[0]?.message).toBe(
      "give left and top, or neither",
    );
  });

  it("are brought to a shorter edge with their ratio", () => {
    const params = { shorter: 10, resampling: "box" };
    const made = valueOf("resize", params, { kind: "pictures", pictures: [source] });
    expect(made).toMatchObject({ pictures: [{ width: 14, height: 10 }] });
  });

  it("become a tensor by divisor, mean and deviation of each channel, channels first", () => {
    const one = { width: 1, height: 2, channels: 3, data: Uint8Array.of(255, 0, 51, 0, 255, 102) };
    const type = { kind: "pictures", channels: 3, width: 1, height: 2 } as const;
    const params = { mean: [0.5, 0, 0], std: [0.5, 1, 2] };
    const tensor = valueOf("normalise", params, { kind: "pictures", pictures: [one] }, type);
    expect(tensor).toMatchObject({ shape: [1, 2, 1, 3] });
    const first = valueOf("layout", { order: "NCHW" }, tensor, {
      kind: "tensor",
      datatype: "FP32",
      shape: [-1, 2, 1, 3],
    });
    expect(first).toMatchObject({ shape: [1, 3, 2, 1] });
    const expected = [1, -1, 0, 1, Math.fround(0.2) / 2, Math.fround(0.4) / 2];
    expect(first.kind === "tensor" ? [...first.data].map(Number) : []).toEqual(expected);
  });

  it("become a tensor by another divisor, for graphs that take 0 to 2 or the samples themselves", () => {
    const one = { width: 3, height: 1, channels: 1, data: Uint8Array.of(0, 51, 255) };
    const type = { kind: "pictures", channels: 1, width: 3, height: 1 } as const;
    const made = (params: object): readonly number[] => {
      const tensor = valueOf("normalise", params, { kind: "pictures", pictures: [one] }, type);
      return tensor.kind === "tensor" ? [...tensor.data].map(Number) : [];
    };
    expect(made({ divide: 1 })).toEqual([0, 51, 255]);
    expect(made({ divide: 127.5, mean: [1] })).toEqual([-1, Math.fround(Math.fround(0.4) - 1), 1]);
  });

  it("become rows of samples in their order, and stay as they are with the channels last", () => {
    const data = Float32Array.from({ length: 24 }, (_, at) => at);
    const tensor: Value = { kind: "tensor", datatype: "FP32", shape: [2, 2, 2, 3], data };
    expect(valueOf("layout", { order: "flat" }, tensor)).toMatchObject({ shape: [2, 12], data });
    expect(valueOf("layout", { order: "NHWC" }, tensor)).toMatchObject({ shape: [2, 2, 2, 3], data });
  });

  it("are bounded by maxPixels as they are decoded, also where their colours are more than 16,777,216 numbers", () => {
    const [w, h] = [3_000, 2_000];
    const file = Buffer.from(readFileSync(path.join(EXAMPLES, "seven.png")));
    file.writeUInt32BE(w, 16);
    file.writeUInt32BE(h, 20);
    const step = STEP_KINDS.get("decode-image")?.with({ maxPixels: w * h });
    const tools = {
      ...TOOLS,
      decodePng: () => ({ width: w, height: h, channels: 4, data: new Uint8Array(4 * w * h) }),
    };
    const run = step?.build({ kind: "bytes" }, tools);
    const made = run?.({ kind: "bytes", elements: [file] });
    expect(made).toMatchObject({ pictures: [{ width: w, height: h, channels: 3 }] });
    expect(() => run?.({ kind: "bytes", elements: [file, file] })).toThrow("12000000 with those before it");
  });

  it("refuses what no picture has room for, before a picture is there", () => {
    const crop = STEP_KINDS.get("crop")?.with({ width: 40, height: 40 });
    expect(() => crop?.check({ kind: "pictures", channels: 1, width: 28, height: 28 })).toThrow(
      "a picture of 28 × 28 has no part of 40 × 40 there",
    );
  });
});

describe("the header of a picture", () => {
  const example = (name: string): Buffer => readFileSync(path.join(EXAMPLES, name));

  it("says its size without its pixels", () => {
    expect(readPictureHeader(example("seven.jpg").subarray(0, 700))).toEqual({
      format: "jpeg",
      width: 112,
      height: 112,
    });
    expect(readPictureHeader(example("seven.png").subarray(0, 40))).toEqual({ format: "png", width: 28, height: 28 });
  });

  it.each(["seven.jpg", "seven.png"])("is read or refused, whatever part of %s there is", (name) => {
    const whole = example(name);
    for (let length = 0; length <= whole.length; length += 1) {
      try {
        expect(readPictureHeader(whole.subarray(0, length)).width).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toMatchObject({ name: "StepFault" });
      }
    }
  });

  it("refuses 16 bits in a sample and four components", () => {
    const deep = Buffer.from(example("seven.png"));
    deep[24] = 16;
    expect(() => readPictureHeader(deep)).toThrow("16 bits in a sample");
    const cmyk = Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 20, 8, 0, 1, 0, 1, 4, 0, 0]);
    expect(() => readPictureHeader(cmyk)).toThrow("4 components");
  });
});
