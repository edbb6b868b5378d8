/**
 * Moves an image of [side, side] by whole pixels; what comes into view is paper (0), what leaves is lost.
 *
 * @param move pixels to the right and down; negative is left and up
 */
export function shiftImage(
  image: Float32Array,
  move: { readonly right: number; readonly down: number },
  target: Float32Array,
): void {
  const side = Math.sqrt(image.length);
  target.fill(0);
  const firstColumn = Math.max(0, -move.right);
  const endColumn = Math.min(side, side - move.right);
  for (let row = Math.max(0, -move.down); row < Math.min(side, side - move.down); row += 1) {
    const source = image.subarray(row * side + firstColumn, row * side + endColumn);
    target.set(source, (row + move.down) * side + firstColumn + move.right);
  }
}
