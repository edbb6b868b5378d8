/** What was acquired is released in reverse, once; a release that fails stops none of the others. */
export class ReleaseStack {
  readonly #releases: { readonly name: string; readonly release: () => Promise<void> }[] = [];
  readonly #onError: (name: string, error: unknown) => void;

  constructor(onError: (name: string, error: unknown) => void) {
    this.#onError = onError;
  }

  push(name: string, release: () => Promise<void>): void {
    this.#releases.push({ name, release });
  }

  async releaseAll(): Promise<void> {
    for (let next = this.#releases.pop(); next !== undefined; next = this.#releases.pop()) {
      try {
        await next.release();
      } catch (error) {
        this.#onError(next.name, error);
      }
    }
  }
}
