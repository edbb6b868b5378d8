import { FileStore } from "../../../control-plane/adapters/artifacts/disk/file-store.ts";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { ControlLoop } from "../../../control-plane/app/control-loop/control-loop.ts";
import { createEffects } from "../../../control-plane/app/control-loop/effects/effects.ts";
import { Leadership } from "../../../control-plane/app/control-loop/leadership.ts";
import { DeploymentAdmin } from "../../../control-plane/app/deployments/deployment-admin.ts";
import { FleetCache } from "../../../control-plane/app/fleet/fleet-cache.ts";
import { Telemetry } from "../../../control-plane/app/inference/telemetry.ts";
import { NodeSessions } from "../../../control-plane/app/node-sessions/node-sessions.ts";
import { SessionRegistry } from "../../../control-plane/app/node-sessions/node-session.ts";
import { SessionWatch } from "../../../control-plane/app/node-sessions/session-watch.ts";
import { NodeAdmin } from "../../../control-plane/app/nodes/node-admin.ts";
import { RolloutAdmin } from "../../../control-plane/app/rollouts/rollout-admin.ts";
import { ModelPush } from "../../../control-plane/app/transfer/model-push.ts";
import type { NewEvent } from "../../../control-plane/ports/events.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { TIMINGS } from "../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import type { TestClock } from "../../support/test-clock.ts";
import { MortalClock, type CallQueue } from "./time-travel.ts";

const HEARTBEAT_MS = 5_000;
const NOTIFY_MS = 3_000;

/** A control plane without its sockets: everything else of it is the real one. */
export interface Replica {
  readonly name: string;
  readonly clock: MortalClock;
  readonly fleet: FleetCache;
  readonly gateway: NodeSessions;
  readonly nodes: NodeAdmin;
  readonly deployments: DeploymentAdmin;
  readonly rollouts: RolloutAdmin;
  stop(): Promise<void>;
}

export async function startReplica(
  name: string,
  story: {
    readonly postgres: PostgresStores;
    readonly directory: string;
    readonly clock: TestClock;
    readonly queue: CallQueue;
    readonly print: (line: string) => void;
    readonly printUntimed: (line: string) => void;
  },
): Promise<Replica> {
  const clock = new MortalClock(story.clock);
  const ordered = <Port extends object>(port: Port): Port => story.queue.inOrder(port, clock);
  const { postgres } = story;
  const random = seededRandom(Number(name.replace(/\D/g, "")));
  const events = ordered(postgres.events);
  const sessions = ordered(postgres.sessions);
  const logger: Logger = {
    ...silentLogger,
    info: (fields, message) => {
      if (message !== "plan" || !("steps" in fields) || !Array.isArray(fields.steps)) return;
      // A story asks for the status where it matters; each of its changes would drown the rest.
      const steps = fields.steps.filter((step) => !String(step).startsWith("write the status of"));
      for (const step of steps) story.print(`${name} plans: ${step}`);
    },
  };
  const recordEvent = (event: NewEvent): void => void events.append([event]);
  const fleet = new FleetCache({
    replica: name,
    store: ordered(postgres.fleet),
    // A notification every 3 s, so that each story happens at the same times.
    notifier: {
      listen: (onChange) => {
        const notify = (): void => {
          onChange("fleet");
          clock.after(NOTIFY_MS, notify);
        };
        clock.after(NOTIFY_MS, notify);
        return Promise.resolve();
      },
      stop: () => Promise.resolve(),
    },
    clock,
    random: seededRandom(1),
    logger,
  });
  const registry = new SessionRegistry();
  const push = new ModelPush({
    artifacts: await FileStore.open(story.directory),
    catalog: postgres.catalog,
    registry,
    fleet,
    keys,
    random,
    clock,
    logger,
    recordEvent,
    onSuspect: () => undefined,
    onPushed: () => undefined,
  });
  const shared = { registry, fleet, sessions, timings: TIMINGS, clock, logger };
  const gateway = new NodeSessions({
    ...shared,
    replica: name,
    keys,
    peerUrl: null,
    push,
    telemetry: new Telemetry(),
    heartbeatMs: HEARTBEAT_MS,
    random,
    recorder: { record: recordEvent, recordLog: () => undefined },
    audit: { record: () => Promise.resolve() },
  });
  const watch = new SessionWatch({
    ...shared,
    replica: { id: name, address: name },
    isLifeRecorded: () => leadership.isRenewing,
  });
  const leadership = new Leadership({
    store: ordered(postgres.leadership),
    replica: name,
    clock,
    logger,
    onElected: () => {
      // The lease ends by the time of the database, which runs on beside the story's clock.
      story.printUntimed(`${name} leads`);
      loop.trigger("elected");
    },
    onUnanswered: () => void fleet.refresh(),
  });
  const execute = createEffects({
    plans: ordered(postgres.plans),
    random,
    now: () => clock.now(),
    onRollout: () => undefined,
  });
  const loop = new ControlLoop({
    gate: () => undefined,
    fleet,
    leadership,
    execute,
    demands: () => [],
    pools: () => [],
    scaleDownMs: 60_000,
    timings: TIMINGS,
    clock,
    logger,
  });

  await fleet.start();
  push.start();
  gateway.start();
  watch.start();
  leadership.start();
  loop.start();
  return {
    name,
    clock,
    fleet,
    gateway,
    nodes: new NodeAdmin({ store: ordered(postgres.nodes), fleet, clock, timings: TIMINGS }),
    deployments: new DeploymentAdmin({
      store: ordered(postgres.deployments),
      fleet,
      clock,
      timings: TIMINGS,
      publicUrl: "http://skerry",
      hops: () => Promise.resolve(new Map()),
      cascadeState: () => ({
        breaker: "closed",
        leftBytes: undefined,
        counted: { requests: 0, escalated: 0, compared: 0, agreed: 0 },
      }),
    }),
    rollouts: new RolloutAdmin({ store: ordered(postgres.rollouts), fleet, clock, onRollout: () => undefined }),
    async stop() {
      gateway.stop();
      watch.stop();
      await loop.stop();
      await leadership.stop();
      await fleet.stop();
      clock.isDead = true;
    },
  };
}
