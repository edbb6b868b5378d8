/** `[any, 1, 28, 28]`: −1 is a size that the caller chooses. */
export const shapeText = (shape: readonly number[]): string =>
  `[${shape.map((size) => (size === -1 ? "any" : size)).join(", ")}]`;
