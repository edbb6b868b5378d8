import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { Random } from "../../shared/base/random.ts";
import type { PostgresStores } from "../adapters/postgres/postgres.ts";
import { keys } from "../adapters/system/ed25519.ts";
import type { EventRecorder } from "../app/events/event-recorder.ts";
import type { FleetCache } from "../app/fleet/fleet-cache.ts";
import type { Telemetry } from "../app/inference/telemetry.ts";
import { CallerKeys } from "../app/node-sessions/caller-keys.ts";
import type { SessionRegistry } from "../app/node-sessions/node-session.ts";
import { NodeSessions } from "../app/node-sessions/node-sessions.ts";
import { SessionWatch } from "../app/node-sessions/session-watch.ts";
import type { EvidenceMeter } from "../app/rollouts/evidence-meter.ts";
import { countCrash } from "../app/rollouts/host-crashes.ts";
import { ModelPush } from "../app/transfer/model-push.ts";
import type { Config } from "../config.ts";
import type { NodeTimings } from "../core/fleet/node-status.ts";
import type { ArtifactStore } from "../ports/catalog/artifacts.ts";

type PushParts = ConstructorParameters<typeof ModelPush>[0];

interface Parts {
  /** This control plane, as others find it. */
  readonly self: ConstructorParameters<typeof SessionWatch>[0]["replica"];
  readonly postgres: Pick<PostgresStores, "audit" | "catalog" | "keys" | "sessions">;
  readonly artifacts: ArtifactStore;
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly telemetry: Telemetry;
  readonly evidence: EvidenceMeter;
  readonly recorder: EventRecorder;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onSuspect: PushParts["onSuspect"];
  readonly onPushed: PushParts["onPushed"];
  readonly onStreamsLeft: (placementId: string) => void;
  readonly isLifeRecorded: ConstructorParameters<typeof SessionWatch>[0]["isLifeRecorded"];
}

export interface NodeParts {
  readonly push: ModelPush;
  readonly callerKeys: CallerKeys;
  readonly gateway: NodeSessions;
  readonly watch: SessionWatch;
}

/** What this control plane does for the nodes whose sessions it holds. Nothing runs before each is started. */
export function composeNodes(
  { peerUrl, heartbeatMs }: Pick<Config, "peerUrl" | "heartbeatMs">,
  parts: Parts,
): NodeParts {
  const { self, postgres, artifacts, fleet, registry, telemetry, evidence, recorder, timings } = parts;
  const { clock, random, logger } = parts;
  const push = new ModelPush({
    artifacts,
    catalog: postgres.catalog,
    registry,
    fleet,
    keys,
    random,
    clock,
    logger,
    recordEvent: (event) => recorder.record(event),
    onSuspect: parts.onSuspect,
    onPushed: parts.onPushed,
  });
  const callerKeys = new CallerKeys({ store: postgres.keys, fleet, clock, logger });
  const gateway = new NodeSessions({
    replica: self.id,
    sessions: postgres.sessions,
    keys,
    registry,
    fleet,
    push,
    telemetry,
    timings,
    peerUrl,
    heartbeatMs,
    clock,
    random,
    logger,
    recorder,
    audit: postgres.audit,
    callerKeys,
    onHostEnded: (placement) => countCrash(placement, { fleet, meter: evidence }),
    onStreamsLeft: parts.onStreamsLeft,
  });
  const watch = new SessionWatch({
    replica: self,
    registry,
    fleet,
    sessions: postgres.sessions,
    timings,
    isLifeRecorded: parts.isLifeRecorded,
    clock,
  });
  return { push, callerKeys, gateway, watch };
}
