/** The part of a socket that gathers writes. */
export interface Corkable {
  readonly writableCorked: number;
  cork(): void;
  uncork(): void;
}

/**
 * What is written in this turn of the event loop leaves in one system call, and wakes the other process once: many
 * requests that arrive together go on together, and so can share a run.
 */
export function corkForThisTurn(socket: Corkable): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  setImmediate(() => socket.uncork());
}
