/**
 * The requests that one engine runs at once. They are the engine's, whatever models it has: each model that the node serves has a
 * share, and leaves alone what the others have taken.
 */
export class EngineSlots {
  readonly #shares = new Set<SlotShare>();

  /** For one model. Its owner must `leave`. */
  share(): SlotShare {
    const share = new SlotShare(this.#shares);
    this.#shares.add(share);
    return share;
  }
}

export class SlotShare {
  readonly #all: Set<SlotShare>;
  readonly #listeners = new Set<() => void>();
  #taken = 0;

  constructor(all: Set<SlotShare>) {
    this.#all = all;
  }

  /** Slots that this model has taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Slots that other models of the engine have taken. */
  get takenByOthers(): number {
    return this.#others().reduce((sum, { taken }) => sum + taken, 0);
  }

  /** `listener` is called whenever another model no longer needs one. */
  onFreed(listener: () => void): void {
    this.#listeners.add(listener);
  }

  take(): void {
    this.#taken += 1;
  }

  /** The other models may take it before this one does, those that have the fewest first: so none keeps all of them. */
  give(): void {
    this.#taken -= 1;
    for (const other of this.#others().toSorted((a, b) => a.taken - b.taken))
      for (const listener of other.#listeners) listener();
  }

  /** The model is not served any more. What it has taken stays taken until its requests end. */
  leave(): void {
    this.#listeners.clear();
    if (this.#taken === 0) this.#all.delete(this);
  }

  #others(): readonly SlotShare[] {
    return [...this.#all].filter((each) => each !== this);
  }
}
