import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Hello } from "../../../shared/protocol/messages/node-messages.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import { PLACEMENT_FAILURES } from "../../../shared/protocol/placement.ts";
import type { Random } from "../../../shared/base/random.ts";
import { placementsOn } from "../../core/fleet/queries.ts";
import { hasSameTrials, trialsAfter } from "../../core/fleet/versions/trials.ts";
import { missingMessage } from "../../core/fleet/report-verdicts.ts";
import type { FleetPlacement } from "../../core/fleet/types.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { SessionStore } from "../../ports/nodes/nodes.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { ModelPush } from "../transfer/model-push.ts";
import type { NodeSession } from "./node-session.ts";
import { StatusWriter } from "./status-writer.ts";

/** What one session's node says of its placements: into the fleet at once, into Postgres when it changes something. */
export class PlacementReports {
  readonly #session: NodeSession;
  readonly #fleet: FleetCache;
  readonly #push: ModelPush;
  readonly #clock: Clock;
  readonly #writer: StatusWriter;
  readonly #recorder: Pick<EventRecorder, "record">;
  readonly #onHostEnded: (placement: FleetPlacement) => void;
  readonly #onStreamsLeft: (placementId: string) => void;

  constructor(
    session: NodeSession,
    parts: {
      sessions: SessionStore;
      fleet: FleetCache;
      push: ModelPush;
      clock: Clock;
      random: Random;
      logger: Logger;
      recorder: Pick<EventRecorder, "record">;
      onHostEnded?: (placement: FleetPlacement) => void;
      /** A placement ends that keeps something of streams. */
      onStreamsLeft?: (placementId: string) => void;
    },
  ) {
    this.#session = session;
    this.#fleet = parts.fleet;
    this.#push = parts.push;
    this.#clock = parts.clock;
    this.#recorder = parts.recorder;
    this.#onHostEnded = parts.onHostEnded ?? (() => undefined);
    this.#onStreamsLeft = parts.onStreamsLeft ?? (() => undefined);
    this.#writer = new StatusWriter({
      session,
      store: parts.sessions,
      clock: parts.clock,
      random: parts.random,
      logger: parts.logger,
      onSuperseded: () => session.control.close(CLOSE.NEWER_SESSION, "a newer session of this node has begun"),
    });
  }

  /**
   * What it holds is all in `hello`: of the rest, what was to go is gone, and what is wanted has to come again. All of it
   * goes to Postgres: what the last session did not get there, while Postgres was away, is no news to our memory. The
   * events of that are lost.
   */
  afterHello(reported: Hello["placements"]): void {
    for (const report of reported) this.#take(report, { isNewsToPostgres: true });
    const named = new Set(reported.map(({ placementId }) => placementId));
    for (const placement of placementsOn(this.#fleet.snapshot(), this.#session.nodeId)) {
      if (named.has(placement.id)) continue;
      this.#tellMissing(placement);
      const { id, generation, wanted } = placement;
      const state = wanted === "gone" ? "gone" : "offered";
      this.#take({ placementId: id, generation, state }, { isNewsToPostgres: true });
    }
    const offered = reported.filter(({ state }) => state === "offered");
    this.#session.transfers.restart(offered.map(({ placementId }) => placementId));
  }

  #tellMissing({ model, version, state, wanted }: FleetPlacement): void {
    const message = missingMessage(`${model}:${version}`, state, this.#session.name);
    if (message === undefined || wanted === "gone") return;
    this.#recorder.record({
      type: "Warning",
      reason: "PlacementMissing",
      object: `node/${this.#session.name}`,
      message,
    });
  }

  add(message: PlacementReport): void {
    const placement = this.#ownPlacement(message.placementId);
    if (placement && isHostEnd(placement, message)) this.#onHostEnded(placement);
    this.#take(message, { isNewsToPostgres: false });
    const { state, keptStreams = 0 } = message;
    if (placement && placement.state !== "draining" && state === "draining" && keptStreams > 0)
      this.#onStreamsLeft(placement.id);
  }

  #take(message: PlacementReport, { isNewsToPostgres }: { readonly isNewsToPostgres: boolean }): void {
    const { placementId, generation, state, code, detail, done, total, rssMiB, warmUs } = message;
    const { sharing, limitMiB, measuredMiB, host } = message;
    const report: PlacementReport = {
      placementId,
      generation,
      state,
      ...(code !== undefined && { code }),
      ...(detail !== undefined && { detail }),
      ...(done !== undefined && { done }),
      ...(total !== undefined && { total }),
      ...(rssMiB !== undefined && { rssMiB }),
      ...(warmUs !== undefined && { warmUs }),
      ...(sharing !== undefined && { sharing }),
      ...(limitMiB !== undefined && { limitMiB }),
      ...(measuredMiB !== undefined && { measuredMiB }),
      ...(host !== undefined && { host }),
    };
    const placement = this.#ownPlacement(placementId);
    this.#session.transfers.reported(placementId, { isOffered: state === "offered" });
    const isNews = placement !== undefined && placement.generation === generation && placement.state !== state;
    const isOther = placement !== undefined && !hasSameTrials(placement, trialsAfter(placement, report));
    this.#fleet.apply({ type: "placement-reported", nodeId: this.#session.nodeId, report, at: this.#clock.now() });
    // Of a generation that this replica has not read yet, or no more: Postgres knows which.
    if (isNews || isOther || isNewsToPostgres || placement?.generation !== generation)
      this.#writer.add(report, isNews ? eventsFor(placement, report, this.#session.name) : []);
    if (state === "offered") this.#push.offerSoon();
  }

  /** Undefined also for another node's: what this node says of it is no news of it. */
  #ownPlacement(placementId: string): FleetPlacement | undefined {
    const placement = this.#fleet.snapshot().placements.get(placementId);
    return placement?.nodeId === this.#session.nodeId ? placement : undefined;
  }

  close(): void {
    this.#writer.close();
  }
}

/** Its model host was ready and is not, though it should be. A restart of the agent says so in `hello`, which is not asked here. */
const isHostEnd = (placement: FleetPlacement, { state, generation }: PlacementReport): boolean =>
  placement.state === "ready" &&
  placement.wanted === "serve" &&
  placement.generation === generation &&
  !["ready", "draining", "gone"].includes(state);

function eventsFor(placement: FleetPlacement, report: PlacementReport, node: string): readonly NewEvent[] {
  const name = `${placement.model}:${placement.version}`;
  const object = `deployment/${placement.deployment ?? placement.model}`;
  if (report.state === "ready") {
    const warm = report.warmUs === undefined ? "" : `; a warm run takes ${(report.warmUs / 1_000).toFixed(2)} ms`;
    return [{ type: "Normal", reason: "PlacementReady", object, message: `${name} serves on ${node}${warm}` }];
  }
  if (report.state === "failed") {
    const code = report.code ?? "HOST_CRASHED";
    const message = `${name} failed on ${node} (${code}): ${PLACEMENT_FAILURES[code]}${report.detail ? `; ${report.detail}` : ""}`;
    return [{ type: "Warning", reason: "PlacementFailed", object, message }];
  }
  return [];
}
