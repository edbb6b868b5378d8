/** Most channels of a picture: an axis of so few elements is no axis along which something lies. */
const MAX_CHANNELS = 4;

/** An axis along which the elements of a row lie. */
export interface SpatialAxis {
  readonly size: number;
  /** Elements of the row from one place to the next. */
  readonly step: number;
}

/** How the elements of one row lie, whose shape is without the batch. */
export interface RowLayout {
  readonly axes: readonly SpatialAxis[];
  /** Values at one place, and the elements from one of them to the next. */
  readonly channels: { readonly count: number; readonly step: number };
}

/** Channels are the first axis or the last if it is short, else the first of a row with three axes; other rows have none. */
export function rowLayout(shape: readonly number[]): RowLayout {
  const channels = channelAxis(shape);
  const steps = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const axisOf = (axis: number): SpatialAxis => ({ size: shape[axis] ?? 1, step: steps[axis] ?? 1 });
  const { size: count, step } = channels === undefined ? { size: 1, step: 0 } : axisOf(channels);
  return {
    axes: [...shape.keys()].filter((axis) => axis !== channels).map(axisOf),
    channels: { count, step },
  };
}

function channelAxis(shape: readonly number[]): number | undefined {
  if (shape.length < 2) return undefined;
  const last = shape.length - 1;
  if ((shape[0] ?? 0) <= MAX_CHANNELS) return 0;
  if ((shape[last] ?? 0) <= MAX_CHANNELS) return last;
  return shape.length === 3 ? 0 : undefined;
}
