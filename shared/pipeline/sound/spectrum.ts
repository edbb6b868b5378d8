import type { RealFft } from "../step.ts";

/** Short-time spectra and mel bands, as librosa computes them. Pure; the transform is a library's. */

/** Hann, periodic: what librosa and SciPy call `hann` for spectra. */
export const hann = (size: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));

/** Magnitudes squared of the frequencies 0 to half the sample rate. */
export function powerOf(frame: Float64Array, fft: RealFft): Float64Array {
  const spectrum = fft(frame);
  return Float64Array.from(
    { length: frame.length / 2 + 1 },
    (_, i) => (spectrum[2 * i] ?? 0) ** 2 + (spectrum[2 * i + 1] ?? 0) ** 2,
  );
}

/** Frames of a signal that are centred on every `hop`-th sample: what lies outside is 0, as librosa's `center=True` has it. */
export const frameCount = (samples: number, hop: number): number => 1 + Math.floor(samples / hop);

export function frameAt(signal: Float32Array, centre: number, window: Float64Array): Float64Array {
  const start = centre - window.length / 2;
  return window.map((weight, i) => weight * (signal[start + i] ?? 0));
}

const LINEAR_HZ = 200 / 3;
const LOG_FROM_HZ = 1_000;
const LOG_FROM_MEL = LOG_FROM_HZ / LINEAR_HZ;
const LOG_STEP = Math.log(6.4) / 27;

/** Slaney's mel scale (Auditory Toolbox): linear to 1 kHz, logarithmic above. */
const toMel = (hz: number): number =>
  hz < LOG_FROM_HZ ? hz / LINEAR_HZ : LOG_FROM_MEL + Math.log(hz / LOG_FROM_HZ) / LOG_STEP;
const toHz = (mel: number): number =>
  mel < LOG_FROM_MEL ? mel * LINEAR_HZ : LOG_FROM_HZ * Math.exp(LOG_STEP * (mel - LOG_FROM_MEL));

/** One triangle: its weights, and the frequency of the first one. */
export interface MelBand {
  readonly from: number;
  readonly weights: Float64Array;
}

/** Triangles of equal area, without the zeros beside them; as `librosa.filters.mel(htk=False, norm="slaney")`. */
export function melBands(of: {
  readonly sampleRate: number;
  readonly size: number;
  readonly bands: number;
  readonly fromHz: number;
  readonly toHz: number;
}): readonly MelBand[] {
  const low = toMel(of.fromHz);
  const step = (toMel(of.toHz) - low) / (of.bands + 1);
  const edges = Array.from({ length: of.bands + 2 }, (_, i) => toHz(low + i * step));
  return Array.from({ length: of.bands }, (_, band) => {
    const [from = 0, peak = 0, to = 0] = edges.slice(band, band + 3);
    const all = Float64Array.from({ length: of.size / 2 + 1 }, (_unused, bin) => {
      const hz = (bin * of.sampleRate) / of.size;
      const height = Math.min((hz - from) / (peak - from), (to - hz) / (to - peak));
      return (Math.max(0, height) * 2) / (to - from);
    });
    const first = Math.max(
      0,
      all.findIndex((weight) => weight > 0),
    );
    return { from: first, weights: all.slice(first, all.findLastIndex((weight) => weight > 0) + 1) };
  });
}

/** The part of a spectrum that is in a band. */
export const powerIn = (power: Float64Array, { from, weights }: MelBand): number =>
  weights.reduce((sum, weight, at) => sum + weight * (power[from + at] ?? 0), 0);

/** Multiplications that the spectra of so many frames take. */
export const spectrumOperations = (frames: number, size: number): number => frames * size * Math.log2(size);

const SMALLEST_POWER = 1e-10;

/** Powers in decibels below 1, none more than `range` below the largest; as `librosa.power_to_db`. In place. */
export function toDecibels(powers: Float32Array, range: number): void {
  let largest = -Infinity;
  for (let i = 0; i < powers.length; i += 1) {
    const decibels = 10 * Math.log10(Math.max(SMALLEST_POWER, powers[i] ?? 0));
    powers[i] = decibels;
    largest = Math.max(largest, decibels);
  }
  for (let i = 0; i < powers.length; i += 1) powers[i] = Math.max(powers[i] ?? 0, largest - range);
}
