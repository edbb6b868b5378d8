import type { Clock } from "../../../shared/base/clock.ts";
import type { Digest } from "../../../shared/base/digest.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { desiredDigest } from "../../../shared/protocol/desired.ts";
import { judgeDesired, type DesiredRevision, type DesiredMessage } from "../../core/placements/desired-document.ts";
import { previousAfter, retainedAfter } from "../../core/placements/retention.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { LocalState } from "./local-state.ts";

/** A snapshot that was asked for gets this long before it is asked for again. */
const ASK_AGAIN_MS = 5_000;

interface Parts {
  readonly memory: LocalState;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ids of the placements that serve now. */
  readonly ready: () => ReadonlySet<string>;
  /** A new document is on the disk. */
  readonly onApplied: () => void;
}

/**
 * Keeps the desired document: judges each message, writes the new document to the disk, and only then acknowledges
 * and acts on it. Messages are taken one after another.
 */
export class DesiredStateReceiver {
  readonly #parts: Parts;
  #handling: Promise<void> = Promise.resolve();
  #askedAt = -Infinity;
  #digest: { readonly state: DesiredRevision["state"]; readonly text: Digest } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What is on the disk, as `hello` and heartbeats tell it. */
  get position(): { readonly rev: number; readonly digest: Digest } {
    const { desiredRev, desired } = this.#parts.memory.current;
    if (this.#digest?.state !== desired) this.#digest = { state: desired, text: desiredDigest(desired) };
    return { rev: desiredRev, digest: this.#digest.text };
  }

  /** A new session: whatever was asked for in the last one will not come. */
  reset(): void {
    this.#askedAt = -Infinity;
  }

  onMessage(message: DesiredMessage, channel: ControlChannel): void {
    this.#handling = this.#handling.then(() => this.#handle(message, channel));
  }

  async #handle(message: DesiredMessage, channel: ControlChannel): Promise<void> {
    const { memory, logger } = this.#parts;
    const { desiredRev: rev, desired: state } = memory.current;
    const verdict = judgeDesired({ rev, state }, message);
    switch (verdict.kind) {
      case "stale":
        return;
      case "known":
        return this.#acknowledge(channel);
      case "lost":
        return this.#ask(channel);
      case "broken":
        logger.error({ why: verdict.why }, "the desired state cannot be followed");
        return channel.close(CLOSE.INVALID_MESSAGE, verdict.why.slice(0, 100));
      case "apply":
        if (!(await this.#keep(verdict.document))) return; // not acknowledged: it is sent again in 5 s
        this.#askedAt = -Infinity;
        this.#acknowledge(channel);
        return this.#parts.onApplied();
    }
  }

  async #keep({ rev, state }: DesiredRevision): Promise<boolean> {
    const { memory, ready, logger } = this.#parts;
    try {
      await memory.update((old) => {
        const wanted = [...old.desired.placements, ...old.retained];
        const retained = retainedAfter(wanted, state, ready());
        const previous = previousAfter({ wanted, previous: old.previous }, [...state.placements, ...retained]);
        return { ...old, desiredRev: rev, desired: state, retained, previous };
      });
      return true;
    } catch (error) {
      logger.error({ rev, error: messageOf(error) }, "the desired state could not be written; the old one stays");
      return false;
    }
  }

  #acknowledge(channel: ControlChannel): void {
    channel.send({ type: "desired.ack", ...this.position });
  }

  #ask(channel: ControlChannel): void {
    const now = this.#parts.clock.now();
    if (now - this.#askedAt < ASK_AGAIN_MS) return;
    this.#askedAt = now;
    channel.send({ type: "desired.get", haveRev: this.position.rev });
  }
}
