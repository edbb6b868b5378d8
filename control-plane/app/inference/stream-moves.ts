import type { Clock } from "../../../shared/base/clock.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import { encodeMessages, INFERENCE_FRAME } from "../../../shared/protocol/frames/inference-frame.ts";
import {
  decodeStreams,
  encodeStreams,
  HAND_OVER_MS,
  type KeptStream,
  type StreamOperation,
} from "../../../shared/protocol/kept-streams.ts";
import { DRAIN_MS, MAX_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import { placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { FleetNode, FleetPlacement } from "../../core/fleet/types.ts";
import { homeOfStream } from "../../core/routing/stream-home.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { NODE_GRACE_MS } from "./inference-attempt.ts";
import type { RequestPath } from "./request-path.ts";
import type { RequestPaths } from "./request-paths.ts";

/** The nodes that may know a stream are given so long to say it, of a request's time half at most. */
const TAKE_MS = 1_000;
const PUT_MS = 3_000;

interface Parts {
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly paths: Pick<RequestPaths, "to">;
  readonly clock: Clock;
  readonly recordEvent: (event: NewEvent) => void;
}

/** A placement that can be asked about streams. */
interface Holder {
  readonly placement: FleetPlacement;
  readonly node: FleetNode;
  readonly path: RequestPath;
}

/**
 * What pipelines keep of streams follows the streams: to the placement that a request is sent to and that does not know its stream, and
 * from one that ends to those that get its streams from then on. It goes over the inference channels, and is not looked into.
 */
export class StreamMoves {
  readonly #parts: Parts;
  /** Under way, by version and key: requests of one stream wait for the same move. */
  readonly #moves = new Map<string, Promise<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether another placement than this one may know streams that reach it. */
  hasOthers(placementId: string): boolean {
    return this.#holdersBeside(placementId).length > 0;
  }

  /** Brings what is kept of a stream to a placement, if another one keeps it. Never rejects; resolves in time for the request. */
  async bring(key: string, to: { readonly placementId: string; readonly timeLeftMs: number }): Promise<void> {
    const target = this.#holder(to.placementId);
    if (target === undefined) return;
    const id = `${target.placement.model}:${target.placement.version} ${key}`;
    const move = this.#moves.get(id) ?? this.#bring(key, target, to.timeLeftMs).finally(() => this.#moves.delete(id));
    this.#moves.set(id, move);
    await move;
  }

  async #bring(key: string, target: Holder, timeLeftMs: number): Promise<void> {
    const withinMs = Math.max(1, Math.floor(Math.min(TAKE_MS, timeLeftMs / 2)));
    const operation = { op: "take", key, ...(target.node.kind === "cloud" && { forCloud: true as const }) } as const;
    const answers = await Promise.all(
      this.#holdersBeside(target.placement.id).map((holder) => this.#ask(holder, operation, { withinMs })),
    );
    const found = answers.flatMap((bundle) => asked(bundle, { key, target }))[0];
    if (found !== undefined) await this.#ask(target, { op: "put" }, { withinMs, body: encodeStreams([found]) });
  }

  /**
   * A placement ends that keeps something of streams: those that get them from now on take it over. Never rejects. Says in an event
   * where they went, or that they begin anew.
   */
  async handOver(placementId: string): Promise<void> {
    const from = this.#holder(placementId);
    if (from === undefined) return;
    const targets = this.#holdersBeside(placementId).filter(
      ({ placement: { state, wanted } }) => state === "ready" && wanted === "serve",
    );
    const bundle = targets.length === 0 ? undefined : await this.#ask(from, { op: "all" }, { withinMs: DRAIN_MS });
    const streams = bundle && decodeStreams(bundle);
    const sent = streams === undefined ? 0 : await this.#spread(streams, from, targets);
    const isWhole = streams !== undefined && sent === streams.length;
    await this.#ask(from, { op: isWhole ? "release" : "keep" }, { withinMs: HAND_OVER_MS });
    if (isWhole || from.placement.wanted === "serve") return; // it comes back, and has them on its disk
    const all = streams === undefined ? "its streams" : `${streams.length - sent} of its ${streams.length} streams`;
    const why = targets.length === 0 ? "no other placement is ready" : "they could not be handed over";
    this.#record(from, "Warning", `${all} begin anew: ${why}`);
  }

  /** How many arrived. */
  async #spread(streams: readonly KeptStream[], from: Holder, targets: readonly Holder[]): Promise<number> {
    const groups = Map.groupBy(streams, ({ key, edgeOnly }) => {
      const allowed = edgeOnly ? targets.filter(({ node }) => node.kind === "edge") : targets;
      const home = homeOfStream(
        key,
        allowed.map(({ placement }) => placement.id),
      );
      return allowed.find(({ placement }) => placement.id === home);
    });
    let sent = 0;
    const went: string[] = [];
    for (const [target, group] of groups) {
      if (target === undefined) continue;
      const done = await this.#ask(target, { op: "put" }, { withinMs: PUT_MS, body: encodeStreams(group) });
      if (done === undefined) continue;
      sent += group.length;
      went.push(`${group.length} to ${target.node.name}`);
    }
    if (went.length > 0) this.#record(from, "Normal", `streams went over: ${went.join(", ")}`);
    return sent;
  }

  #record({ placement, node }: Holder, type: NewEvent["type"], what: string): void {
    const { model, version, deployment } = placement;
    this.#parts.recordEvent({
      type,
      reason: type === "Normal" ? "StreamsHandedOver" : "StreamsNotHandedOver",
      object: `deployment/${deployment ?? model}`,
      message: `${model}:${version} ends on ${node.name}; ${what}`.slice(0, 1_000),
    });
  }

  #holder(placementId: string): Holder | undefined {
    const { fleet, paths, clock } = this.#parts;
    const { placements, nodes } = fleet.snapshot();
    const placement = placements.get(placementId);
    const node = nodes.get(placement?.nodeId ?? "");
    const path = node && paths.to(node, clock.now());
    return placement && node && path && { placement, node, path };
  }

  /** Placements of the same deployment and version that serve, will, or end. */
  #holdersBeside(placementId: string): readonly Holder[] {
    const snapshot = this.#parts.fleet.snapshot();
    const own = snapshot.placements.get(placementId);
    if (own?.deployment == null) return [];
    return placementsOfDeployment(snapshot, own.deployment)
      .filter(({ id, version, state }) => id !== own.id && version === own.version && KNOWING.has(state))
      .flatMap(({ id }) => this.#holder(id) ?? []);
  }

  /** The answer's body; undefined when there is none. */
  async #ask(
    { placement, path }: Holder,
    streams: StreamOperation,
    { withinMs, body }: { readonly withinMs: number; readonly body?: Uint8Array },
  ): Promise<Uint8Array | undefined> {
    const { requestId, outcome } = path.pending.begin(this.#parts.clock.now() + withinMs + NODE_GRACE_MS);
    const head = {
      type: INFERENCE_FRAME.REQUEST,
      requestId,
      edgeOnly: false,
      deadlineMs: withinMs,
      headerLength: 0,
      priority: 0,
      meta: { placementId: placement.id, streams },
    };
    const isSent = path.inference?.send(encodeMessages(head, body === undefined ? [] : [body], MAX_MESSAGE_BYTES));
    if (isSent !== true) path.pending.settle(requestId, { kind: isSent === false ? "unsent" : "lost" });
    const how = await outcome;
    if (how.kind === "streaming") how.stream.cancel();
    if (how.kind !== "answered") return undefined;
    const { status, body: answer } = how.response;
    const bytes = status === 200 ? Uint8Array.from(answer) : undefined;
    release(answer);
    return bytes;
  }
}

/** Of what a node answered the stream that was asked for: a damaged or hostile one could bring others, and the target would take them. */
const asked = (
  bundle: Uint8Array | undefined,
  { key, target: { placement, node } }: { readonly key: string; readonly target: Holder },
): readonly KeptStream[] =>
  (bundle && decodeStreams(bundle))?.filter(
    (stream) =>
      stream.key === key &&
      stream.of === `${placement.model}:${placement.version}` &&
      (node.kind === "edge" || !stream.edgeOnly),
  ) ?? [];

/** Its host may have ended, and its node keeps what it kept. */
const KNOWING: ReadonlySet<FleetPlacement["state"]> = new Set([
  "verifying",
  "staged",
  "loading",
  "warming",
  "ready",
  "draining",
]);
