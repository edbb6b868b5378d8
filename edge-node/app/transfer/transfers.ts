import { fullJitter, RECONNECT } from "../../../shared/flow/backoff.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { TransferOffer } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";
import type { TransferFrame } from "../../../shared/protocol/frames/transfer-frame.ts";
import type { ArtifactDisk, Staging } from "../../ports/disk.ts";
import type { TransferChannel } from "../../ports/channels.ts";
import { isHostFailure } from "../hosts/host-failure.ts";
import type { NodeLog } from "../session/node-log.ts";
import type { Placements } from "../placements/placements.ts";
import { TransferReceiver, type TransferOutcome } from "./transfer-receiver.ts";

const BUSY_RETRY_MS = 5_000;
/** An offer for what nothing here waits for is answered with this pause. */
const STALE_RETRY_MS = 10_000;

/** The session's side of a transfer. */
export interface TransferSession {
  send(message: Unsent<NodeMessage>): unknown;
  dial(ticket: string, onFrame: (frame: TransferFrame) => Promise<void>, signal: AbortSignal): Promise<TransferChannel>;
}

interface Active {
  readonly offer: TransferOffer;
  readonly receiver: TransferReceiver;
  readonly abort: AbortController;
  ended: Promise<void>;
}

interface Parts {
  readonly disk: ArtifactDisk;
  readonly placements: Placements;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: NodeLog;
  readonly whyIncompatible: (manifest: Manifest) => string | undefined;
  /** Artifacts that are kept only for a way back: they give way when the disk is full. */
  readonly makeRoom: () => Promise<void>;
  /** An artifact is complete, or will not be: plan again. */
  readonly onSettled: () => void;
}

/** Takes offers, one transfer at a time; a higher priority interrupts. A cut is answered with `transfer.resume`, without a limit. */
export class Transfers {
  readonly #parts: Parts;
  #session: TransferSession | undefined;
  #active: Active | undefined;
  /** Cuts in a row that brought nothing. */
  #fruitless = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  connect(session: TransferSession): void {
    this.#session = session;
  }

  /** The session is over; the transfer under way ends with it, since the other side forgets it too. */
  disconnect(): void {
    this.#session = undefined;
    // Not waited for: it may be hashing 2 GiB, and until the node has dialled again it counts as away.
    void this.#cancel("the session ended");
  }

  /** Ends the transfer under way when no placement waits for it any more. What has come stays for as long as the disk keeps it. */
  async cancelUnwanted(): Promise<void> {
    if (this.#active && this.#parts.placements.waitingFor(this.#active.offer.artifact).length === 0)
      await this.#cancel("its artifact is not wanted any more");
  }

  async onOffer(offer: TransferOffer): Promise<void> {
    const { transferId, artifact } = offer;
    const session = this.#session;
    if (!session) return;
    if (this.#parts.placements.waitingFor(artifact).length === 0) {
      session.send({ type: "transfer.reject", transferId, code: "STALE", retryMs: STALE_RETRY_MS });
      return;
    }
    const { offer: present } = this.#active ?? {};
    if (present && present.artifact !== artifact && present.priority >= offer.priority) {
      session.send({ type: "transfer.reject", transferId, code: "BUSY", retryMs: BUSY_RETRY_MS });
      return;
    }
    // A second offer of the same artifact says that the sender has given up the first.
    while (this.#active) await this.#cancel("a newer offer takes its place");
    if (this.#session !== session) return;
    session.send({ type: "transfer.accept", transferId });
    this.#begin(offer, session);
  }

  #begin(offer: TransferOffer, session: TransferSession): void {
    const { clock, placements, whyIncompatible } = this.#parts;
    const { artifact } = offer;
    const abort = new AbortController();
    const waiting = () => placements.waitingFor(artifact);
    const receiver = new TransferReceiver({
      artifact,
      clock,
      whyIncompatible,
      dial: (onFrame) => session.dial(offer.ticket, onFrame, abort.signal),
      stage: (manifest) => this.#stage(artifact, manifest),
      onProgress: (done, total) => {
        for (const placement of waiting())
          if (placement.state !== "verifying") placement.becomeDownloading(done, total);
      },
      onVerifying: () => {
        for (const placement of waiting()) placement.becomeVerifying();
      },
    });
    const active: Active = { offer, receiver, abort, ended: Promise.resolve() };
    this.#active = active;
    active.ended = receiver.run().then((outcome) => {
      if (this.#active === active) this.#active = undefined;
      this.#settle(active, outcome, session);
    });
  }

  /** With what is kept for a way back deleted, if the disk is too full otherwise. */
  async #stage(artifact: string, manifest: Manifest): Promise<Staging> {
    const { disk, makeRoom } = this.#parts;
    try {
      return await disk.stage(artifact, manifest);
    } catch (error) {
      if (!isHostFailure(error) || error.code !== "NO_SPACE") throw error;
      await makeRoom();
      return disk.stage(artifact, manifest);
    }
  }

  #settle({ offer, abort }: Active, outcome: TransferOutcome, session: TransferSession): void {
    const { transferId, artifact } = offer;
    const { placements, clock, random, logger, log, onSettled } = this.#parts;
    const isPresent = this.#session === session;
    switch (outcome.kind) {
      case "done": {
        const { received, reused } = outcome;
        this.#fruitless = 0;
        for (const placement of placements.waitingFor(artifact)) placement.bytesVerified();
        logger.info({ artifact, received, reused }, "an artifact is complete");
        if (isPresent) session.send({ type: "transfer.done", transferId, received, reused });
        return onSettled();
      }
      case "failed": {
        const { code, detail } = outcome;
        logger.error({ artifact, code, detail }, "a transfer failed");
        log.add("error", `the transfer of ${artifact.slice(0, 19)} failed: ${code}: ${detail}`);
        for (const placement of placements.waitingFor(artifact)) placement.becomeFailed({ code, detail }, clock.now());
        if (isPresent) session.send({ type: "transfer.failed", transferId, code, detail: detail.slice(0, 500) });
        return onSettled();
      }
      case "cut": {
        // What we called off ourselves says little about the way.
        if (outcome.received > 0) this.#fruitless = 0;
        else if (!abort.signal.aborted) this.#fruitless += 1;
        logger.warn({ artifact, why: outcome.why, received: outcome.received }, "a transfer was cut");
        this.#waitAgain(artifact);
        // Also of what we called off ourselves: until it hears so, the control plane offers this node nothing else.
        if (!isPresent) return;
        const retryMs = this.#fruitless === 0 ? 0 : Math.round(fullJitter(RECONNECT, this.#fruitless, random));
        session.send({ type: "transfer.resume", transferId, retryMs });
      }
    }
  }

  #waitAgain(artifact: string): void {
    for (const placement of this.#parts.placements.waitingFor(artifact))
      if (placement.state !== "offered") placement.becomeOffered();
  }

  async #cancel(why: string): Promise<void> {
    const active = this.#active;
    if (!active) return;
    active.abort.abort();
    active.receiver.cancel(why);
    await active.ended;
  }
}
