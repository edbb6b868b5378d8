import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { InferenceChannel } from "../../ports/nodes/channels.ts";
import type { Peer } from "../../ports/nodes/nodes.ts";
import type { PeerChannel, PeerDialer } from "../../ports/nodes/peers.ts";
import { PendingRequests } from "../inference/pending-requests.ts";
import type { RequestPath } from "../inference/request-path.ts";
import { ResponseReceiver } from "../inference/response-receiver.ts";

/** A control plane that restarts has another id, so a link that breaks is a fault of the network, or its end. */
const REDIAL: BackoffPolicy = { baseMs: 250, maxMs: 5_000 };
/** A channel that was open for so long was no failure: the back-off starts over. */
const PROVEN_MS = 5_000;

interface Parts {
  readonly peer: Peer & { readonly url: string };
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** It could not be opened, or has closed. */
  readonly onDown: () => void;
}

/**
 * The link to another control plane: dialled until it is stopped, again with back-off when it breaks. Requests on it are
 * bounded by their deadlines, and lost when it closes.
 */
export class PeerLink implements RequestPath {
  readonly pending = new PendingRequests();
  readonly #parts: Parts;
  readonly #stopping = new AbortController();
  #channel: PeerChannel | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    void this.#keepOpen();
  }

  get inference(): InferenceChannel | undefined {
    return this.#channel;
  }

  get hopMs(): number {
    return this.#channel?.rttMs ?? 0;
  }

  stop(): void {
    this.#stopping.abort(new Error("the link is not needed any more"));
    this.#channel?.close(CLOSE.DONE, "");
  }

  async #keepOpen(): Promise<void> {
    const { clock, random } = this.#parts;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const openedAt = clock.now();
      await this.#once(signal);
      if (!signal.aborted) this.#parts.onDown();
      if (clock.now() - openedAt >= PROVEN_MS) failures = 0;
      await sleep(clock, fullJitter(REDIAL, failures, random), signal).catch(() => undefined);
    }
  }

  /** One channel from dial to close. */
  async #once(signal: AbortSignal): Promise<void> {
    const { peer, dialer, logger } = this.#parts;
    const about = { peer: peer.id, url: peer.url };
    try {
      const channel = await dialer.dial(peer, signal);
      if (signal.aborted) return channel.close(CLOSE.DONE, "");
      const receiver = new ResponseReceiver(this.pending, channel);
      channel.listen((frame) => receiver.onFrame(frame));
      this.#channel = channel;
      logger.info(about, "requests for the nodes of another control plane are forwarded to it");
      const reason = await channel.closed;
      this.#channel = undefined;
      this.pending.loseAll();
      if (!signal.aborted) logger.warn({ ...about, reason }, "the link to another control plane has closed");
    } catch (error) {
      if (!signal.aborted) logger.debug({ ...about, error: messageOf(error) }, "another control plane is not reached");
    }
  }
}
