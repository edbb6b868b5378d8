import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { randomBytes } from "node:crypto";
import type { ClientRequest } from "node:http";
import { keyLimits, role, type Role } from "../../../../shared/api/v1/access/keys.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { seededRandom } from "../../../../shared/base/random.ts";
import {
  createHttpApi,
  type HttpApi,
  type HttpApiParts,
} from "../../../../control-plane/adapters/http/server/http-api.ts";
import { HttpServer } from "../../../../control-plane/adapters/http/server/server.ts";
import { LIMITS } from "../../../../control-plane/adapters/http/server/limits.ts";
import { PrometheusMetrics } from "../../../../control-plane/adapters/metrics/prometheus.ts";
import { ApiKeys } from "../../../../control-plane/app/access/api-keys.ts";
import { LoginSessions } from "../../../../control-plane/app/access/login-sessions.ts";
import { PoolAdmin } from "../../../../control-plane/app/cloud/pool-admin.ts";
import { DeploymentAdmin } from "../../../../control-plane/app/deployments/deployment-admin.ts";
import { RolloutAdmin } from "../../../../control-plane/app/rollouts/rollout-admin.ts";
import { EventFeed } from "../../../../control-plane/app/events/event-feed.ts";
import { fleetCounts } from "../../../../control-plane/app/fleet/fleet-counts.ts";
import { createFleetWatches, followersOf } from "../../../../control-plane/app/fleet/fleet-watches.ts";
import { livingStore } from "../../../support/fleet/fleet-in-memory.ts";
import { FleetCache } from "../../../../control-plane/app/fleet/fleet-cache.ts";
import type { InferenceResponse } from "../../../../control-plane/app/inference/inference-request.ts";
import { NodeAdmin } from "../../../../control-plane/app/nodes/node-admin.ts";
import { ModelRepositoryApi } from "../../../../control-plane/app/catalog/model-repository-api.ts";
import { ModelStatusQuery } from "../../../../control-plane/app/inference/model-status-query.ts";
import { TrafficMeter } from "../../../../control-plane/app/traffic/traffic-meter.ts";
import { TokenAdmin } from "../../../../control-plane/app/nodes/token-admin.ts";
import type { Actor } from "../../../../control-plane/ports/access/audit.ts";
import { aDeployment, aNode, aPlacement, aVersion, TIMINGS } from "../../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { TestClock } from "../../../support/test-clock.ts";
import { callAt, openCall, type Answer, type Call } from "./http-call.ts";
import { MemoryCatalog } from "./memory-catalog.ts";
import { aSettledPool, MemoryPools } from "./memory-pools.ts";
import { MemoryStores } from "./memory-stores.ts";

export interface OpenHttpApi {
  readonly api: HttpApi;
  readonly port: number;
  readonly clock: TestClock;
  readonly stores: MemoryStores;
  readonly catalog: MemoryCatalog;
  readonly keys: ApiKeys;
  readonly feed: EventFeed;
  /** A key for each role; the application's is for `digits` only. */
  readonly keyOf: Readonly<Record<Role, string>>;
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** A request whose body and answer the test handles itself. */
  open(method: string, path: string, call?: Omit<Call, "body" | "bytes">): ClientRequest;
  close(): Promise<void>;
}

const ACTOR: Actor = { name: "test", role: "admin", keyId: null, models: [], address: "test", requestId: "test" };

/**
 * A real HTTP server on loopback with the real use-cases behind it, over tables in memory: `digits:1` serves on
 * `edge-a`, `secret:1` belongs to nobody's application.
 */
export async function openHttpApi(over: Partial<HttpApiParts> = {}): Promise<OpenHttpApi> {
  const clock = new TestClock();
  const [a, b] = [aNode("edge-a"), aNode("edge-b", { labels: { gpu: "true" } })];
  const stores = new MemoryStores(
    {
      nodes: [a, b],
      deployments: [aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } })],
      versions: [
        aVersion("digits", 1, { inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }] }),
        aVersion("secret", 1),
      ],
      aliases: [{ model: "digits", alias: "champion", version: 1 }],
      placements: [aPlacement(a)],
    },
    clock,
  );
  const fleet = new FleetCache({
    replica: "r-1",
    store: livingStore(() => stores.rows),
    notifier: { listen: async () => undefined, stop: async () => undefined },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  await fleet.start();
  const catalog = new MemoryCatalog(clock);
  catalog.add("digits", {}, { outputs: [] });
  catalog.add("secret", {});
  const secrets = { secret: () => randomBytes(32).toString("base64url") };
  const random = seededRandom(1);
  const common = { fleet, clock, timings: TIMINGS, publicUrl: "http://skerry.test" };
  const keys = new ApiKeys({ store: stores.keys, clock, keys: secrets, random, logger: silentLogger });
  const logins = new LoginSessions({
    store: stores.logins,
    apiKeys: keys,
    clock,
    keys: secrets,
    random,
    logger: silentLogger,
  });
  const feed = new EventFeed({ store: stores.events, clock, logger: silentLogger });
  const deployments = new DeploymentAdmin({
    store: stores.deployments,
    ...common,
    hops: () => Promise.resolve(new Map()),
    cascadeState: () => ({
      breaker: "closed",
      leftBytes: undefined,
      counted: { requests: 0, escalated: 0, compared: 0, agreed: 0 },
    }),
  });
  const nodes = new NodeAdmin({ store: stores.nodes, ...common });
  const rollouts = new RolloutAdmin({
    store: stores.rollouts,
    fleet,
    clock,
    onRollout: (facts) => metrics.rolloutWritten(facts),
  });
  const watches = createFleetWatches({
    instance: "r-1",
    ...common,
    listNodes: () => nodes.list(),
    someNodes: (names) => nodes.some(names),
    listDeployments: () => deployments.list(),
    listRollouts: () => rollouts.list(),
    listPlacements: () => deployments.allPlacements(),
    somePlacements: (ids) => deployments.allPlacements(ids),
  });
  const metrics = new PrometheusMetrics(() => ({
    ...fleetCounts(fleet.snapshot(), clock.now(), TIMINGS),
    inFlight: 0,
    pools: [],
    watches: { ...followersOf(watches), events: feed.followers },
    peers: { open: 0, broken: 0 },
  }));
  const parts: HttpApiParts = {
    keys,
    logins,
    catalog,
    nodes,
    tokens: new TokenAdmin({
      store: stores.nodes,
      keys: secrets,
      random,
      trust: { pin: "none", keySetHash: "none" },
      publicUrl: common.publicUrl,
    }),
    deployments,
    rollouts,
    serving: new ModelStatusQuery(common),
    repository: new ModelRepositoryApi({ deployments, ...common }),
    events: feed,
    watches,
    cloudPools: new PoolAdmin({
      sources: { settled: [aSettledPool()] },
      declarations: new MemoryPools(),
      store: { list: () => Promise.resolve([]) },
      namespaces: new Set(["skerry"]),
    }),
    audit: stores.audit,
    idempotency: stores.idempotency,
    metrics,
    traffic: new TrafficMeter({ fleet, clock }),
    renderMetrics: () => metrics.render(),
    readiness: () => ({ ready: true, reasons: [] }),
    infer: async ({ body, headerLength }) => anAnswer({ body: own(Buffer.concat(body)), headerLength }),
    join: async () => ({
      nodeId: "n-1",
      generation: 1,
      cpId: "cp-1",
      kind: "edge",
      site: "harbour",
      zone: "harbour",
      urls: ["ws://skerry.test"],
    }),
    joinPod: async () => {
      throw new SkerryError("JOIN_REFUSED", "this control plane takes no pods");
    },
    clock,
    random,
    logger: silentLogger,
    version: "0.1.0",
    publicUrl: common.publicUrl,
    checkAnswers: true,
    ...over,
  };
  const api = createHttpApi(new HttpServer({ clock, limits: { ...LIMITS, ...parts.limits } }), parts);
  api.open(() => undefined); // a test that needs upgrades listens to them
  const port = await api.http.listen({ host: "127.0.0.1", port: 0 });
  const made = await Promise.all(
    role.options.map(
      async (role) =>
        [
          role,
          (
            await keys.create(
              {
                name: `${role}-key`,
                role,
                models: role === "application" ? ["digits"] : [],
                modelLabels: {},
                deployments: [],
                limits: keyLimits.parse({}),
              },
              ACTOR,
            )
          ).key,
        ] as const,
    ),
  );
  return {
    api,
    port,
    clock,
    stores,
    catalog,
    keys,
    feed,
    keyOf: Object.fromEntries(made) as Record<Role, string>,
    open: (method, path, call = {}) => openCall(port, [method, path], call),
    call: (method, path, call = {}) => callAt(port, [method, path], call),
    close: async () => {
      const stopped = api.http.stop();
      // A request that a failed test left behind must not hold up the next one.
      await clock.advance(LIMITS.drainMs);
      await stopped;
      await fleet.stop();
    },
  };
}

/** An answer as the inference service gives it. */
export const anAnswer = (over: Partial<InferenceResponse> = {}): InferenceResponse => ({
  status: 200,
  code: undefined,
  retryAfterMs: undefined,
  headerLength: JSON_BODY,
  body: own(Buffer.from("{}")),
  node: "edge-a",
  modelVersion: "digits:1",
  route: { placement: "p-edge-a", reason: "only", etaMs: 2.4, candidates: 1, attempt: 1 },
  timing: { routeMs: 0.1, wireMs: 1.234, queueMs: 0, inferMs: 2 },
  ...over,
});
