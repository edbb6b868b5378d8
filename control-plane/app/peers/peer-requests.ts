import type { Clock } from "../../../shared/base/clock.ts";
import { ERRORS, type ErrorCode } from "../../../shared/base/errors.ts";
import { own, release } from "../../../shared/bytes/owned-bytes.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import type { Owned } from "../../../shared/protocol/frames/body-assembly.ts";
import {
  encodeCancel,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import { DRAIN_MS, MAX_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { PeerHandler, PeerResponder } from "../../ports/nodes/peers.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { NODE_GRACE_MS } from "../inference/inference-attempt.ts";
import type { AttemptOutcome } from "../inference/pending-requests.ts";
import type { NodeSession, SessionRegistry } from "../node-sessions/node-session.ts";
import type { PeerLinks } from "./peer-links.ts";

interface Parts {
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly registry: SessionRegistry;
  readonly links: Pick<PeerLinks, "find">;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

/**
 * Passes the requests of other control planes on to nodes whose sessions are here, and to no one else: a request takes one
 * hop at most. Where it goes, and what is retried, the other control plane has decided; what a node answers goes back as
 * it is, so that its figures reach the router that counts them.
 */
export class PeerRequests implements PeerHandler {
  readonly #parts: Parts;
  #running = 0;
  #onIdle: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async publicKeyOf(peerId: string): Promise<string | undefined> {
    return (await this.#parts.links.find(peerId))?.publicKey;
  }

  /** Resolves when none is under way, or after 25 s. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(DRAIN_MS, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }

  async onRequest(frame: Owned<RequestFrame>, responder: PeerResponder, cancellation: Cancellation): Promise<void> {
    this.#running += 1;
    try {
      const session = this.#sessionOf(frame.meta.placementId);
      if (!session) release(frame.body);
      const outcome = session ? await this.#ask(session, frame, cancellation) : ({ kind: "gone" } as const);
      await answer(frame.requestId, outcome, responder, cancellation);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#onIdle();
    }
  }

  #sessionOf(placementId: string): NodeSession | undefined {
    const { fleet, registry, timings, clock } = this.#parts;
    const { placements, nodes } = fleet.snapshot();
    const node = nodes.get(placements.get(placementId)?.nodeId ?? "");
    return node && registry.isRoutable(node, clock.now(), timings) ? registry.get(node.id) : undefined;
  }

  #ask(session: NodeSession, frame: Owned<RequestFrame>, cancellation: Cancellation): Promise<AttemptOutcome> {
    const { pending, inference } = session;
    const { requestId, outcome } = pending.begin(this.#parts.clock.now() + frame.deadlineMs + NODE_GRACE_MS);
    const isSent = inference?.send(encodeMessages({ ...frame, requestId }, [frame.body], MAX_MESSAGE_BYTES));
    release(frame.body);
    if (isSent !== true) pending.settle(requestId, { kind: isSent === false ? "unsent" : "lost" });
    cancellation.onCancel(() => {
      if (pending.cancel(requestId)) session.inference?.send([encodeCancel(requestId)]);
    });
    return outcome;
  }
}

async function answer(
  requestId: number,
  outcome: AttemptOutcome | { readonly kind: "gone" },
  responder: PeerResponder,
  cancellation: Cancellation,
): Promise<void> {
  switch (outcome.kind) {
    case "answered":
      await responder.respond({ ...outcome.response, requestId });
      return release(outcome.response.body);
    case "streaming": {
      const { head, stream } = outcome;
      return responder.forward({ ...head, requestId }, stream);
    }
    case "cancelled":
      return;
    case "gone":
      return responder.respond(refusal(requestId, "MODEL_NOT_READY", "the node of the placement is not here"));
    case "unsent":
      return responder.respond(refusal(requestId, "QUEUE_FULL", "too much waits to be sent to the node"));
    case "lost":
      if (cancellation.isCancelled) return;
      return responder.respond(failure(requestId, "NODE_LOST", "the node went away with the request in flight"));
    case "timed-out":
      return responder.respond(failure(requestId, "DEADLINE_EXCEEDED", "the node did not answer in time"));
  }
}

type Response = Omit<ResponseFrame, "end" | "bodyLength">;

/** The model may have run. */
const failure = (requestId: number, code: ErrorCode, detail: string): Response => ({
  type: INFERENCE_FRAME.RESPONSE,
  requestId,
  wasNotExecuted: false,
  status: ERRORS[code].status,
  headerLength: JSON_BODY,
  meta: { code },
  body: own(errorBody(detail)),
  nodeInFlight: 0,
  queueUs: 0,
  computeUs: 0,
  placementInFlight: 0,
  meanUs: 0,
  p95Us: 0,
  slots: 0,
});

/** The model did not run: another node may be asked. */
const refusal = (requestId: number, code: ErrorCode, detail: string): Response => ({
  ...failure(requestId, code, detail),
  wasNotExecuted: true,
});
