import { StepFault } from "../step.ts";

/**
 * WAV files, as far as models of sound are given them: PCM of 8, 16, 24 or 32 bits and FP32, any number of channels. The
 * format is a list of chunks; their sizes are checked before anything is made of them.
 */
export interface WavHeader {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bits: number;
  readonly isFloat: boolean;
  /** Samples of each channel. */
  readonly samples: number;
  /** Where the first one is. */
  readonly offset: number;
}

const PCM = 1;
const IEEE_FLOAT = 3;
/** The real format is in the first two bytes of its GUID. */
const EXTENSIBLE = 0xfffe;
const CHUNK_HEAD = 8;

/** Throws `StepFault` for what is no WAV file, or one of a form that is not read. */
export function readWavHeader(bytes: Uint8Array): WavHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 12 || nameAt(bytes, 0) !== "RIFF" || nameAt(bytes, 8) !== "WAVE")
    throw new StepFault("it is no WAV file");
  let format: Pick<WavHeader, "sampleRate" | "channels" | "bits" | "isFloat"> | undefined;
  for (let at = 12; at + CHUNK_HEAD <= bytes.byteLength;) {
    const name = nameAt(bytes, at);
    const length = view.getUint32(at + 4, true);
    const content = at + CHUNK_HEAD;
    if (name === "fmt " && content + 16 <= bytes.byteLength) format = readFormat(view, content);
    if (name === "data") {
      if (format === undefined) throw new StepFault("the WAV file has its samples before their format");
      const there = Math.min(length, bytes.byteLength - content);
      const frame = (format.channels * format.bits) / 8;
      return { ...format, samples: Math.floor(there / frame), offset: content };
    }
    at = content + length + (length % 2);
  }
  throw new StepFault("the WAV file has no samples");
}

function readFormat(view: DataView, at: number): Pick<WavHeader, "sampleRate" | "channels" | "bits" | "isFloat"> {
  const tag = view.getUint16(at, true);
  const code = tag === EXTENSIBLE && at + 26 <= view.byteLength ? view.getUint16(at + 24, true) : tag;
  const channels = view.getUint16(at + 2, true);
  const bits = view.getUint16(at + 14, true);
  const isKnown = (code === PCM && [8, 16, 24, 32].includes(bits)) || (code === IEEE_FLOAT && bits === 32);
  if (!isKnown || channels === 0)
    throw new StepFault(
      `the WAV file has the format ${code} with ${bits} bits; PCM of 8, 16, 24 and 32 bits and FP32 are read`,
    );
  return { sampleRate: view.getUint32(at + 4, true), channels, bits, isFloat: code === IEEE_FLOAT };
}

const nameAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));

/** Samples as FP32, −1 to 1; of several channels their mean, as librosa makes one of them. */
export function readMono(bytes: Uint8Array, { channels, bits, isFloat, samples, offset }: WavHeader): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = bits / 8;
  const out = new Float32Array(samples);
  for (let i = 0; i < samples; i += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1)
      sum += sampleAt(view, offset + (i * channels + channel) * width, { bits, isFloat });
    out[i] = sum / channels;
  }
  return out;
}

function sampleAt(view: DataView, at: number, { bits, isFloat }: Pick<WavHeader, "bits" | "isFloat">): number {
  if (isFloat) return view.getFloat32(at, true);
  if (bits === 8) return (view.getUint8(at) - 128) / 128;
  if (bits === 16) return view.getInt16(at, true) / 32_768;
  if (bits === 24) return ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8_388_608;
  return view.getInt32(at, true) / 2_147_483_648;
}
