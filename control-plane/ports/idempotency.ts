export interface IdempotencyStore {
  /**
   * Claims the key. `new`: do the work, then `finish`. `done`: answer this again. `mismatch`: same key, other request.
   * `busy`: the first one is still under way.
   */
  begin(
    keyId: string,
    key: string,
    requestHash: string,
  ): Promise<
    { kind: "new" } | { kind: "done"; status: number; body: unknown } | { kind: "mismatch" } | { kind: "busy" }
  >;
  finish(keyId: string, key: string, reply: { status: number; body: unknown }): Promise<void>;
  /** The work failed: the key may be used again. */
  abandon(keyId: string, key: string): Promise<void>;
}
