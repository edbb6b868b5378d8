import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import type { Value } from "../../../../shared/pipeline/values.ts";
import { valueOf } from "./run-step.ts";

const numbers = z.array(z.number());
const known = z
  .object({ samples: numbers, mel: numbers, decibels: numbers, magnitudes: numbers })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "librosa-spectra.json"), "utf8")));
const RATE = 8_000;
const signal = Float32Array.from(known.samples, (sample) => sample / 32_768);

interface WavParts {
  readonly channels?: number;
  readonly bits?: number;
  readonly code?: number;
  readonly rate?: number;
  /** Chunks before the samples. */
  readonly before?: Uint8Array;
}

/** A WAV file with these bytes as samples. */
function wav(
  samples: Uint8Array,
  { channels = 1, bits = 16, code = 1, rate = RATE, before = new Uint8Array() }: WavParts = {},
) {
  const head = Buffer.alloc(36);
  head.write("RIFF", 0);
  head.writeUInt32LE(28 + before.length + samples.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(code, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE((rate * channels * bits) / 8, 28);
  head.writeUInt16LE((channels * bits) / 8, 32);
  head.writeUInt16LE(bits, 34);
  const data = Buffer.alloc(8);
  data.write("data", 0);
  data.writeUInt32LE(samples.length, 4);
  return Buffer.concat([head, before, data, samples]);
}

const read = (file: Uint8Array, params: object = {}): Value =>
  valueOf("decode-wav", { sampleRate: RATE, ...params }, { kind: "bytes", elements: [file] });
const samplesOf = (value: Value): readonly number[] => (value.kind === "signals" ? [...(value.signals[0] ?? [])] : []);
const dataOf = (value: Value): readonly number[] => (value.kind === "tensor" ? [...value.data].map(Number) : []);

/** The largest difference, as a part of the largest number. */
function differenceOf(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return Infinity;
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));
  return worst / Math.max(...expected.map(Math.abs));
}

describe("a WAV file", () => {
  it("of 8, 16, 24 or 32 bits or of floats has samples from -1 to 1", () => {
    expect(samplesOf(read(wav(Uint8Array.of(0, 128, 192), { bits: 8 })))).toEqual([-1, 0, 0.5]);
    expect(samplesOf(read(wav(new Uint8Array(Int16Array.of(-32_768, 16_384).buffer))))).toEqual([-1, 0.5]);
    expect(samplesOf(read(wav(Uint8Array.of(0, 0, 0x80, 0, 0, 0x40), { bits: 24 })))).toEqual([-1, 0.5]);
    expect(samplesOf(read(wav(new Uint8Array(Int32Array.of(-(2 ** 31)).buffer), { bits: 32 })))).toEqual([-1]);
    const floats = new Uint8Array(Float32Array.of(0.25, -0.75).buffer);
    expect(samplesOf(read(wav(floats, { bits: 32, code: 3 })))).toEqual([0.25, -0.75]);
  });

  it("of several channels has their mean, and other chunks are passed over", () => {
    const list = Buffer.concat([Buffer.from("LIST"), Buffer.from([3, 0, 0, 0]), Buffer.from("abc\0")]);
    const samples = new Uint8Array(Int16Array.of(16_384, 0, -16_384, -16_384).buffer);
    expect(samplesOf(read(wav(samples, { channels: 2, before: list })))).toEqual([0.25, -0.5]);
  });

  it("with another rate, more samples than allowed or another format is refused", () => {
    const samples = new Uint8Array(8);
    expect(() => read(wav(samples, { rate: 44_100 }))).toThrow(
      "element 0 has 44100 samples a second; sampleRate is 8000",
    );
    expect(() => read(wav(samples), { maxSamples: 3 })).toThrow("element 0 makes 4 samples");
    expect(() => read(wav(samples, { code: 2, bits: 4 }))).toThrow("the WAV file has the format 2 with 4 bits");
  });

  it("is read or refused, whatever part of it there is", () => {
    const whole = wav(new Uint8Array(Int16Array.from(known.samples.slice(0, 20)).buffer));
    for (let length = 0; length < whole.length; length += 1) {
      try {
        expect(samplesOf(read(whole.subarray(0, length))).length).toBeLessThan(20);
      } catch (error) {
        expect(error).toMatchObject({ name: "StepFault" });
      }
    }
  });
});

describe("spectra of sound", () => {
  const mel = { size: 256, hop: 128, bands: 8 };
  const one: Value = { kind: "signals", signals: [signal] };

  it("have librosa's mel bands, as powers and as decibels", () => {
    const powers = valueOf("mel", mel, one);
    expect(powers).toMatchObject({ shape: [1, 8, 8] });
    expect(differenceOf(dataOf(powers), known.mel)).toBeLessThan(1e-4);
    expect(differenceOf(dataOf(valueOf("mel", { ...mel, decibels: 80 }, one)), known.decibels)).toBeLessThan(1e-4);
  });

  it("have NumPy's magnitudes", () => {
    const fixed = valueOf("fix-length", { samples: 64 }, one);
    expect(differenceOf(dataOf(valueOf("fft", {}, fixed)), known.magnitudes)).toBeLessThan(1e-4);
    const powers = dataOf(valueOf("fft", { output: "power" }, fixed));
    expect(differenceOf(powers.map(Math.sqrt), known.magnitudes)).toBeLessThan(1e-4);
  });

  it("have the magnitudes of samples under a Hann window, as SciPy's periodic one", () => {
    // The transform of a window of n samples: n / 2 at 0, n / 4 at 1, nothing above.
    const size = 64;
    const ones: Value = { kind: "signals", signals: [new Float32Array(size).fill(1)] };
    const flat = dataOf(valueOf("fft", { window: "hann" }, ones));
    const expected = Array.from({ length: size / 2 + 1 }, (_, bin) =>
      bin === 0 ? size / 2 : bin === 1 ? size / 4 : 0,
    );
    expect(differenceOf(flat, expected)).toBeLessThan(1e-6);
    // By the definition of both, of a signal that is no constant.
    const fixed = valueOf("fix-length", { samples: size }, one);
    const samples = samplesOf(fixed).map((sample, at) => sample * (0.5 - 0.5 * Math.cos((2 * Math.PI * at) / size)));
    const plain = Array.from({ length: size / 2 + 1 }, (_, bin) => {
      const sum = (wave: (x: number) => number): number =>
        samples.reduce((total, sample, at) => total + sample * wave((2 * Math.PI * bin * at) / size), 0);
      return Math.hypot(sum(Math.cos), sum(Math.sin));
    });
    expect(differenceOf(dataOf(valueOf("fft", { window: "hann" }, fixed)), plain)).toBeLessThan(1e-5);
  });

  it("are each that of its own recording", () => {
    const louder = signal.map((sample) => sample / 2);
    const both = valueOf("mel", mel, { kind: "signals", signals: [louder, signal] });
    expect(dataOf(both).slice(64)).toEqual(dataOf(valueOf("mel", mel, one)));
  });

  it("are refused of sound of any length, and of bands that cannot be", () => {
    const any = { kind: "signals", sampleRate: RATE } as const;
    expect(() => valueOf("mel", mel, one, any)).toThrow("put fix-length before it");
    expect(() => valueOf("fft", {}, one, any)).toThrow("put fix-length before it");
    expect(() => valueOf("mel", { ...mel, toHz: 5_000 }, one)).toThrow("to 4000 at most");
  });

  it("lengthen a recording with silence and cut a longer one", () => {
    const short: Value = { kind: "signals", signals: [Float32Array.of(1, 1)] };
    expect(samplesOf(valueOf("fix-length", { samples: 3 }, short))).toEqual([1, 1, 0]);
    expect(samplesOf(valueOf("fix-length", { samples: 1 }, short))).toEqual([1]);
  });
});
