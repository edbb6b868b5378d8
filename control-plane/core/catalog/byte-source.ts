/** Random access to a file that is never in memory at once. */
export interface ByteSource {
  /** Length of the whole, in bytes. */
  readonly size: number;
  /** The bytes from `offset` on: exactly `length` of them, which the caller keeps inside `size`. Valid until the next call. */
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes that are in memory. */
export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});
