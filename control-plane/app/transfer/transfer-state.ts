/**
 * What one session knows for model pushes: which placements lack their bytes, and which artifacts must not be offered
 * yet. The node reports the first, its refusals and cuts cause the second; both end with the session.
 */
export class TransferState {
  readonly #waiting = new Set<string>();
  readonly #notBefore = new Map<string, number>();

  /** Ids of placements that the node reported as `offered` in this session: it knows them and lacks the bytes. */
  get waiting(): ReadonlySet<string> {
    return this.#waiting;
  }

  /** Artifact → time before which it must not be offered again, in ms. */
  get notBefore(): ReadonlyMap<string, number> {
    return this.#notBefore;
  }

  /** `hello` lists every placement of the node, so earlier reports are void. */
  restart(waiting: Iterable<string>): void {
    this.#waiting.clear();
    for (const placementId of waiting) this.#waiting.add(placementId);
  }

  /** The node reported `placementId`; `isOffered`: in the state `offered`. */
  reported(placementId: string, { isOffered }: { readonly isOffered: boolean }): void {
    if (isOffered) this.#waiting.add(placementId);
    else this.#waiting.delete(placementId);
  }

  /** The bytes of these placements are on the node; its reports may come later. */
  received(placementIds: readonly string[]): void {
    for (const placementId of placementIds) this.#waiting.delete(placementId);
  }

  /** `artifact` must not be offered before `at` (ms). */
  postpone(artifact: string, at: number): void {
    this.#notBefore.set(artifact, at);
  }
}
