import { assertNever } from "../../../shared/base/assert-never.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { newId, type TransferId } from "../../../shared/base/ids.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { TICKET_MS } from "../../../shared/protocol/limits.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import { planOffers, type Offer } from "../../core/transfer/plan-offers.ts";
import type { ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { TransferChannel, TransferSession } from "../../ports/nodes/channels.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession, SessionRegistry } from "../node-sessions/node-session.ts";
import { PushStream } from "./push-stream.ts";

/** An accepted offer whose node never dials is given up after this. */
const OFFER_LIFE_MS = 2 * TICKET_MS;
const FAILED_RETRY_MS = 60_000;

type TransferNews = Extract<NodeMessage, { type: `transfer.${string}` }>;

interface Transfer {
  readonly transferId: string;
  readonly session: NodeSession;
  readonly offer: Offer;
  readonly ticket: string;
  readonly startedAt: number;
  isTicketUsed: boolean;
  stream: PushStream | undefined;
  /** When the node said what it lacks, and when it was last heard of its bytes; undefined before that. */
  streamed: { readonly since: number; readonly until: number } | undefined;
  cancelExpiry: () => void;
}

interface Parts {
  readonly artifacts: ArtifactStore;
  readonly catalog: CatalogStore;
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly keys: Keys;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recordEvent: (event: NewEvent) => void;
  /** An artifact could not be read, or a node found its bytes damaged. */
  readonly onSuspect: (artifact: string) => void;
  readonly onPushed: (push: { readonly received: number; readonly reused: number; readonly seconds: number }) => void;
}

/**
 * Brings artifacts to the nodes that wait for them: offer → ticket → transfer channel → stream. One transfer for each
 * node. What a cut leaves behind is the node's to keep; the next offer sends only what is missing.
 */
export class ModelPush {
  readonly #parts: Parts;
  /** By node: there is at most one. */
  readonly #transfers = new Map<string, Transfer>();
  #isOfferScheduled = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.fleet.onChange(() => this.offerSoon());
  }

  /** Offers what can be offered once the present burst of changes is over. */
  offerSoon(): void {
    if (this.#isOfferScheduled) return;
    this.#isOfferScheduled = true;
    this.#parts.clock.after(0, () => {
      this.#isOfferScheduled = false;
      this.#offerAll();
    });
  }

  /** The node's session ended: its transfer ends too. */
  forget(session: NodeSession): void {
    const transfer = this.#transfers.get(session.nodeId);
    if (transfer?.session === session) this.#end(transfer);
  }

  onMessage(session: NodeSession, message: TransferNews): void {
    const transfer = this.#transfers.get(session.nodeId);
    if (!transfer || transfer.transferId !== message.transferId) return; // news of a transfer that was given up
    const { logger } = this.#parts;
    const { artifact } = transfer.offer;
    switch (message.type) {
      case "transfer.accept":
        return;
      case "transfer.reject": {
        const { code, retryMs } = message;
        logger.info({ node: session.name, artifact, code, retryMs }, "the node refused a transfer");
        return this.#endUntil(transfer, retryMs);
      }
      case "transfer.resume": {
        const { retryMs } = message;
        logger.info({ node: session.name, artifact, retryMs }, "a transfer was cut; it is offered again");
        return this.#endUntil(transfer, retryMs);
      }
      case "transfer.done":
        // Its reports may come later than this: were they waited for, what is there would be offered once more.
        session.transfers.received(transfer.offer.placements);
        this.#heard(transfer);
        this.#tellDone(transfer, message);
        return this.#endUntil(transfer, 0);
      case "transfer.failed": {
        const { code, detail } = message;
        logger.warn({ node: session.name, artifact, code, detail }, "a transfer failed");
        if (code === "DIGEST_MISMATCH") this.#parts.onSuspect(artifact);
        return this.#endUntil(transfer, FAILED_RETRY_MS);
      }
      default:
        assertNever(message);
    }
  }

  /** Uses up a ticket; null when it is not the one this node was given. The caller hands over the channel. */
  redeem(session: NodeSession, ticket: string): ((channel: TransferChannel) => TransferSession) | null {
    const transfer = this.#transfers.get(session.nodeId);
    const isValid = transfer?.session === session && transfer.ticket === ticket && !transfer.isTicketUsed;
    if (!isValid || this.#parts.clock.now() - transfer.startedAt > TICKET_MS) return null;
    transfer.isTicketUsed = true;
    return (channel) => this.#stream(transfer, channel);
  }

  #offerAll(): void {
    const { registry, fleet, clock, keys, random } = this.#parts;
    const targets = registry.all().map((session) => ({
      nodeId: session.nodeId,
      waiting: session.transfers.waiting,
      isReceiving: this.#transfers.has(session.nodeId),
      notBefore: session.transfers.notBefore,
    }));
    for (const offer of planOffers(fleet.snapshot(), targets, clock.now())) {
      const session = registry.get(offer.nodeId);
      if (!session) continue;
      const transferId = newId<TransferId>("t", random);
      const transfer: Transfer = {
        transferId,
        session,
        offer,
        ticket: keys.secret(),
        startedAt: clock.now(),
        isTicketUsed: false,
        stream: undefined,
        streamed: undefined,
        cancelExpiry: () => undefined,
      };
      transfer.cancelExpiry = clock.after(OFFER_LIFE_MS, () => {
        if (!transfer.isTicketUsed) this.#end(transfer);
        this.offerSoon();
      });
      this.#transfers.set(offer.nodeId, transfer);
      session.control.send({
        type: "transfer.offer",
        transferId,
        artifact: offer.artifact,
        placements: [...offer.placements],
        bytes: offer.bytes,
        priority: 0,
        ticket: transfer.ticket,
        ticketMs: TICKET_MS,
      });
    }
  }

  #stream(transfer: Transfer, channel: TransferChannel): TransferSession {
    const { artifacts, catalog, logger } = this.#parts;
    const stream = new PushStream(channel, { artifacts, catalog, artifact: transfer.offer.artifact });
    transfer.stream = stream;
    stream.run().catch((error: unknown) => {
      logger.warn({ node: transfer.session.name, error: messageOf(error) }, "a push ended early");
      this.#parts.onSuspect(transfer.offer.artifact);
      channel.close(CLOSE.FAULT, "the push could not go on");
    });
    return {
      onMessage: (message) => {
        this.#heard(transfer);
        stream.onMessage(message);
      },
      onClosed: () => stream.closed(),
    };
  }

  #tellDone(transfer: Transfer, { received, reused }: { received: number; reused: number }): void {
    const { offer, session, startedAt } = transfer;
    const seconds = (this.#parts.clock.now() - startedAt) / 1_000;
    const model = this.#parts.fleet.snapshot().placements.get(offer.placements[0] ?? "");
    const name = model ? `${model.model}:${model.version}` : offer.artifact.slice(0, 19);
    this.#parts.onPushed({ received, reused, seconds });
    this.#parts.recordEvent({
      type: "Normal",
      reason: "ModelPushed",
      object: `node/${session.name}`,
      message: `${name} is on ${session.name}: ${received} bytes sent, ${reused} were there already, ${seconds.toFixed(1)} s`,
    });
  }

  /** The node is free for another artifact now, and for this one after `retryMs`. */
  #endUntil(transfer: Transfer, retryMs: number): void {
    const { clock } = this.#parts;
    this.#end(transfer);
    this.offerSoon();
    if (retryMs === 0) return;
    transfer.session.transfers.postpone(transfer.offer.artifact, clock.now() + retryMs);
    clock.after(retryMs, () => this.offerSoon());
  }

  #heard(transfer: Transfer): void {
    const now = this.#parts.clock.now();
    transfer.streamed = { since: transfer.streamed?.since ?? now, until: now };
  }

  /**
   * A push that was cut tells as much of the link as one that arrived, but for the silence before the cut was noticed: with
   * that a fast node would be taken for a slow one, get no push, and so never be measured again.
   */
  #measure({ session: { nodeId, epoch }, stream, streamed }: Transfer): void {
    if (!stream || !streamed) return;
    const ms = streamed.until - streamed.since;
    this.#parts.fleet.apply({ type: "push-measured", nodeId, epoch, bytes: stream.sentBytes, ms, at: streamed.until });
  }

  #end(transfer: Transfer): void {
    if (this.#transfers.get(transfer.session.nodeId) === transfer) this.#transfers.delete(transfer.session.nodeId);
    transfer.cancelExpiry();
    transfer.stream?.stop();
    this.#measure(transfer);
  }
}
