import { rowLayout, type SpatialAxis } from "../../../shared/inference/explain/layout.ts";
import { absentValue, type ExplanationPlan, type NumericRow } from "./plan.ts";

/** A window is by default so many times smaller than the shortest side. */
const WINDOWS_PER_SIDE = 7;

interface Axis extends SpatialAxis {
  readonly window: number;
  /** Where windows begin. */
  readonly starts: readonly number[];
}

/**
 * Occlusion: covers a part of the input at a time and takes how much the score falls as the influence of the part (Zeiler and
 * Fergus, "Visualizing and Understanding Convolutional Networks", 2014). Windows of a picture overlap by half and cover all its
 * channels; an element's influence is the mean of the windows over it. In a row of features a window is one feature.
 *
 * Costs one evaluation for the row itself and one for each window: 170 for a picture of 28 × 28 with the default window.
 * `shape` is that of the row, without the batch.
 */
export function occlusion(
  row: NumericRow,
  {
    shape,
    baseline,
    window,
  }: { readonly shape: readonly number[]; readonly baseline: readonly number[]; readonly window: number | undefined },
): ExplanationPlan {
  const { axes: all, channels } = rowLayout(shape);
  const axes = withWindows(all, window);
  const windows = axes.reduce((count, { starts }) => count * starts.length, 1);
  /** Calls `visit` with the place of each element that window `i` covers. */
  const covered = (i: number, visit: (at: number) => void): void => {
    let rest = i;
    const from = axes.map(({ starts }) => {
      const start = starts[rest % starts.length] ?? 0;
      rest = Math.floor(rest / starts.length);
      return start;
    });
    visitBox(axes, from, (at) => {
      for (let channel = 0; channel < channels.count; channel += 1) visit(at + channel * channels.step);
    });
  };
  return {
    evaluations: 1 + windows,
    write(i, into) {
      if (i > 0) covered(i - 1, (at) => (into[at] = absentValue(baseline, at)));
    },
    attribute(scores) {
      const sums = new Float64Array(row.length);
      const counts = new Uint32Array(row.length);
      const whole = scores[0] ?? 0;
      for (let i = 0; i < windows; i += 1) {
        const fall = whole - (scores[i + 1] ?? 0);
        covered(i, (at) => {
          sums[at] = (sums[at] ?? 0) + fall;
          counts[at] = (counts[at] ?? 0) + 1;
        });
      }
      return Float32Array.from(sums, (sum, at) => sum / Math.max(1, counts[at] ?? 0));
    },
  };
}

function withWindows(axes: readonly SpatialAxis[], asked: number | undefined): readonly Axis[] {
  const shortest = Math.min(...axes.map(({ size }) => size));
  const usual = axes.length === 1 ? 1 : Math.max(1, Math.round(shortest / WINDOWS_PER_SIDE));
  return axes.map(({ size, step }) => {
    const window = Math.min(asked ?? usual, size);
    const stride = Math.max(1, Math.floor(window / 2));
    const starts: number[] = [];
    for (let start = 0; start < size - window; start += stride) starts.push(start);
    return { size, step, window, starts: [...starts, size - window] };
  });
}

function visitBox(
  axes: readonly Axis[],
  from: readonly number[],
  visit: (at: number) => void,
  depth = 0,
  base = 0,
): void {
  const axis = axes[depth];
  if (axis === undefined) return visit(base);
  const start = from[depth] ?? 0;
  for (let i = start; i < start + axis.window; i += 1) visitBox(axes, from, visit, depth + 1, base + i * axis.step);
}
