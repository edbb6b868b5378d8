import type { EventSourceMessage } from "eventsource-parser";
import { ApiFailure } from "../api/failure.ts";
import { sessionChanged } from "../api/session-token.ts";
import { backoffMs } from "../core/backoff.ts";
import { readStream } from "./read-stream.ts";

/** How long a stream outlives its last reader: a change of page must not cost a new list, in ms. */
const LINGER_MS = 5_000;
/** How long it outlives the moment that the tab is hidden: browsers keep six connections to a server, of all tabs together. */
const HIDDEN_MS = 30_000;

export type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** It broke, or the control plane is away; it is tried again. */
  | { readonly kind: "broken"; readonly since: number; readonly why: string }
  /** It is not allowed, or the session has ended: not tried again. */
  | { readonly kind: "refused"; readonly failure: ApiFailure };

/**
 * One stream of the server, open while somebody reads it and the tab is seen. It resumes after the last message, so a
 * pause costs only what changed meanwhile.
 */
export class Connection {
  readonly #url: string;
  readonly #lastId: () => string | undefined;
  readonly #onMessages: (messages: readonly EventSourceMessage[]) => void;
  readonly #onState: (state: LinkState) => void;
  readonly #before: () => Promise<void>;
  #readers = 0;
  #running: AbortController | undefined;
  #stopTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: {
    url: string;
    lastId: () => string | undefined;
    onMessages: (messages: readonly EventSourceMessage[]) => void;
    onState: (state: LinkState) => void;
    /** Done before each attempt; what it throws counts as a failed one. */
    before?: () => Promise<void>;
  }) {
    this.#url = parts.url;
    this.#lastId = parts.lastId;
    this.#onMessages = parts.onMessages;
    this.#onState = parts.onState;
    this.#before = parts.before ?? (() => Promise.resolve());
  }

  /** Opens the stream unless it is open; returns what ends this reader's interest. */
  open(): () => void {
    if (this.#readers === 0) document.addEventListener("visibilitychange", this.#look);
    this.#readers += 1;
    this.#update();
    return () => {
      this.#readers -= 1;
      // Many are for one page each: what is not read must not be kept by the document.
      if (this.#readers === 0) document.removeEventListener("visibilitychange", this.#look);
      this.#update();
    };
  }

  /** Ends it at once. */
  close(): void {
    clearTimeout(this.#stopTimer);
    this.#stop();
  }

  /** Begins anew after a refusal: somebody has signed in. */
  restart(): void {
    this.#stop();
    this.#update();
  }

  readonly #look = (): void => this.#update();

  #update(): void {
    clearTimeout(this.#stopTimer);
    const isSeen = document.visibilityState === "visible";
    if (this.#readers > 0 && isSeen) return this.#start();
    this.#stopTimer = setTimeout(() => this.#stop(), this.#readers > 0 ? HIDDEN_MS : LINGER_MS);
  }

  #start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  #stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    let brokenSince: number | undefined;
    this.#onState({ kind: "connecting" });
    while (!signal.aborted) {
      let why = "the control plane ended the stream";
      try {
        await this.#before();
        await readStream(this.#url, {
          lastEventId: this.#lastId(),
          signal,
          onOpen: () => {
            attempt = 0;
            brokenSince = undefined;
            this.#onState({ kind: "live" });
          },
          onMessages: this.#onMessages,
        });
      } catch (error) {
        if (error instanceof ApiFailure && (error.status === 401 || error.status === 403)) {
          this.#onState({ kind: "refused", failure: error });
          // A session without a request for an hour ends, and its streams with it.
          if (error.status === 401) sessionChanged(null);
          return;
        }
        why = error instanceof Error ? error.message : String(error);
      }
      if (signal.aborted) return;
      brokenSince ??= Date.now();
      this.#onState({ kind: "broken", since: brokenSince, why });
      await pause(backoffMs(attempt, Math.random()), signal);
      attempt += 1;
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
