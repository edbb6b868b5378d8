import type { PlacementReport } from "../../shared/protocol/messages.ts";
import type { PlacementFailure, PlacementState } from "../../shared/protocol/placement.ts";

/**
 * The life of one placement on this node. Only the `become…` methods change the state, and each asserts where it came
 * from: a wrong order is a fault of this program, not something to report to anybody.
 *
 * offered      entered when its bytes are not complete on this disk; a transfer leads on to `downloading`
 * downloading  while chunks arrive; a cut goes back to `offered`, the last chunk on to `verifying`
 * verifying    while whole files are hashed, after a transfer or before a load; damage goes back to `offered`
 * staged       bytes here and sound, nothing runs: before the first start, while held, between a crash and the restart
 * loading      a model host starts
 * warming      it is loaded; the warm run decides
 * ready        serves; a crash goes back to `staged`
 * draining     takes no new requests; when they have ended: `staged` or `offered` if it is still wanted, else `gone`
 * gone         the end
 * failed       ended with a code before `draining`; a new generation or a late retry begins again
 */
export class PlacementMachine {
  readonly placementId: string;
  #generation: number;
  #state: PlacementState = "offered";
  #failure: { readonly code: PlacementFailure; readonly detail: string } | undefined;
  #progress: { readonly done: number; readonly total: number } | undefined;
  #measured: { readonly rssMiB: number; readonly warmUs: number } | undefined;

  constructor(placementId: string, generation: number) {
    this.placementId = placementId;
    this.#generation = generation;
  }

  get state(): PlacementState {
    return this.#state;
  }

  get generation(): number {
    return this.#generation;
  }

  get failure(): PlacementFailure | undefined {
    return this.#failure?.code;
  }

  /** False when `generation` is older than the one known: the word is stale. */
  adopt(generation: number): boolean {
    if (generation < this.#generation) return false;
    this.#generation = generation;
    return true;
  }

  becomeOffered(): void {
    this.#enter("offered", ["offered", "downloading", "verifying", "staged", "draining", "failed"]);
  }

  /** Also the way to tell progress. Bytes here, and bytes in all. */
  becomeDownloading(done: number, total: number): void {
    this.#enter("downloading", ["offered", "downloading"]);
    this.#progress = { done, total };
  }

  becomeVerifying(): void {
    this.#enter("verifying", ["offered", "downloading", "staged"]);
  }

  becomeStaged(): void {
    this.#enter("staged", [
      "offered",
      "downloading",
      "verifying",
      "staged",
      "loading",
      "warming",
      "ready",
      "draining",
      "failed",
    ]);
  }

  becomeLoading(): void {
    this.#enter("loading", ["staged", "verifying"]);
  }

  becomeWarming(): void {
    this.#enter("warming", ["loading"]);
  }

  becomeReady(measured: { readonly rssMiB: number; readonly warmUs: number }): void {
    this.#enter("ready", ["loading", "warming"]);
    this.#measured = measured;
  }

  becomeDraining(): void {
    this.#enter("draining", ["ready"]);
  }

  becomeGone(): void {
    this.#enter("gone", ["offered", "downloading", "verifying", "staged", "loading", "warming", "draining", "failed"]);
  }

  /** `detail` is for a person and is cut at 1 000 characters. */
  becomeFailed(code: PlacementFailure, detail: string): void {
    this.#enter("failed", ["offered", "downloading", "verifying", "staged", "loading", "warming", "ready"]);
    this.#failure = { code, detail: detail.slice(0, 1_000) };
  }

  /** What the control plane is told. */
  report(): PlacementReport {
    return {
      placementId: this.placementId,
      generation: this.#generation,
      state: this.#state,
      ...this.#failure,
      ...this.#progress,
      ...this.#measured,
    };
  }

  #enter(state: PlacementState, origins: readonly PlacementState[]): void {
    if (!origins.includes(this.#state))
      throw new Error(`placement ${this.placementId} cannot become ${state} while it is ${this.#state}`);
    this.#state = state;
    if (state !== "failed") this.#failure = undefined;
    if (state !== "downloading") this.#progress = undefined;
    if (state !== "ready" && state !== "draining") this.#measured = undefined;
  }
}
