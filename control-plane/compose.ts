import { hostname } from "node:os";
import path from "node:path";
import { NO_PIN } from "../shared/base/network/certificate-pin.ts";
import { sleep, type Clock } from "../shared/base/clock.ts";
import { newId } from "../shared/base/ids.ts";
import type { Logger } from "../shared/base/logging/logger.ts";
import type { Random } from "../shared/base/random.ts";
import { CorsPolicy } from "../shared/inference/http/cors.ts";
import { VERSION } from "../shared/base/version.ts";
import { DRAIN_MS } from "../shared/protocol/limits.ts";
import { CheckProcess } from "./adapters/artifacts/check-process.ts";
import { readConsole } from "./adapters/http/web-console/console-files.ts";
import { createHttpApi, type HttpApi } from "./adapters/http/server/http-api.ts";
import type { HttpServer } from "./adapters/http/server/server.ts";
import { PrometheusMetrics } from "./adapters/metrics/prometheus.ts";
import type { PostgresStores } from "./adapters/postgres/postgres.ts";
import { waitForPostgres } from "./adapters/postgres/wait-for-postgres.ts";
import { keyPair, keys } from "./adapters/system/ed25519.ts";
import { ApiKeys } from "./app/access/api-keys.ts";
import { LoginSessions } from "./app/access/login-sessions.ts";
import { DeploymentAdmin } from "./app/deployments/deployment-admin.ts";
import { RetentionSweep } from "./app/events/retention-sweep.ts";
import { EventRecorder } from "./app/events/event-recorder.ts";
import { AuditNotes } from "./app/events/audit-notes.ts";
import { EventFeed } from "./app/events/event-feed.ts";
import { fleetCounts } from "./app/fleet/fleet-counts.ts";
import { createFleetWatches, followersOf } from "./app/fleet/fleet-watches.ts";
import { FleetCache } from "./app/fleet/fleet-cache.ts";
import { InferenceService } from "./app/inference/inference-service.ts";
import { ModelCatalog } from "./app/catalog/model-catalog.ts";
import { EvidenceMeter } from "./app/rollouts/evidence-meter.ts";
import { NodeAdmin } from "./app/nodes/node-admin.ts";
import { NodeJoin } from "./app/nodes/node-join.ts";
import { SessionRegistry } from "./app/node-sessions/node-session.ts";
import { Readiness } from "./app/fleet/readiness.ts";
import { RolloutAdmin } from "./app/rollouts/rollout-admin.ts";
import { ModelRepositoryApi } from "./app/catalog/model-repository-api.ts";
import { ModelStatusQuery } from "./app/inference/model-status-query.ts";
import { Telemetry } from "./app/inference/telemetry.ts";
import { TrafficMeter } from "./app/traffic/traffic-meter.ts";
import { TokenAdmin } from "./app/nodes/token-admin.ts";
import { composeCloud } from "./compose/compose-cloud.ts";
import { composeControlLoop } from "./compose/compose-control-loop.ts";
import { composeNodes } from "./compose/compose-nodes.ts";
import { composePeers, composeSockets } from "./compose/compose-peers.ts";
import type { Config } from "./config.ts";
import { openArtifacts } from "./compose/open-artifacts.ts";
import { openPeople } from "./compose/open-people.ts";
import type { Tls } from "./compose/open-tls.ts";
import type { NewEvent } from "./ports/events.ts";

/** Where `npm run build:console` leaves the web console. */
const CONSOLE_DIR = path.join(import.meta.dirname, "../console/dist");
/** How long a control plane that stops waits for its nodes to be ready at another one, in ms. */
const HAND_OVER_MS = 10_000;

export interface ControlPlane {
  readonly grpc: HttpApi["grpc"];
  readonly keys: ApiKeys;
  /** Reads the database and begins to work. */
  start(): Promise<void>;
  /** Lets in the requests and nodes that wait at `http`, and all that come. */
  open(): void;
  /** Unready, nodes sent away, running requests finished, lease given up. */
  stop(): Promise<void>;
}

/**
 * Puts the control plane together. Nothing runs before `start`. `http` may listen already. Throws a `settingsError` when
 * what the settings name refuses the control plane.
 */
export async function composeControlPlane(
  config: Config,
  parts: { postgres: PostgresStores; http: HttpServer; tls: Tls; clock: Clock; random: Random; logger: Logger },
): Promise<ControlPlane> {
  const { postgres, http, tls, clock, random, logger } = parts;
  const replica = newId("r", random);
  const key = keyPair();
  const self = {
    id: replica,
    // With the address that it listens on: a machine may have several control planes at one port.
    address: config.port === 0 ? replica : `${hostname()}/${config.host}:${config.port}`,
    peer: { url: config.peerUrl, publicKey: key.publicKey },
  };
  const cpId = await waitForPostgres(() => postgres.controlPlaneId(), parts);
  const timings = { suspectMs: config.suspectMs, lostMs: config.lostMs };
  const { publicUrl } = config;
  const nodeUrls = config.nodeUrls ?? [publicUrl.replace(/^http/, "ws")];

  const recorder = new EventRecorder({
    store: postgres.events,
    clock,
    logger,
    onDropped: (count) => metrics.eventsDropped(count),
  });
  const recordEvent = (event: NewEvent): void => recorder.record(event);
  const fleet = new FleetCache({ replica, store: postgres.fleet, notifier: postgres.notifier, clock, random, logger });
  const metrics = new PrometheusMetrics(() => ({
    ...fleetCounts(fleet.snapshot(), clock.now(), timings),
    inFlight: inference.inFlight(),
    pools: cloud.pools.findings,
    peers: peers.links.counts(),
    ...(tls.server && { certificateEndsAt: tls.server.endsAt }),
    watches: { ...followersOf(watches), events: events.followers },
  }));
  const artifacts = await openArtifacts(config, { clock, logger, metrics });
  const registry = new SessionRegistry();
  const telemetry = new Telemetry();
  const peerTls = { authorities: tls.authorities, name: config.tls.peerName };
  const ofPeers = { replica, cpId, key, postgres, fleet, registry, timings, clock, random, logger, tls: peerTls };
  const peers = composePeers(ofPeers);
  const { paths } = peers;
  const evidence = new EvidenceMeter(metrics);
  const { push, callerKeys, gateway, watch } = composeNodes(config, {
    self,
    postgres,
    artifacts,
    fleet,
    registry,
    telemetry,
    evidence,
    recorder,
    timings,
    clock,
    random,
    logger,
    onSuspect: (artifact) => catalog.suspect(artifact),
    onPushed: ({ received }) => metrics.bytesPushed(received),
    onStreamsLeft: (placementId) => void inference.handOverStreams(placementId),
    isLifeRecorded: () => leadership.isRenewing,
  });
  const sockets = composeSockets({
    ...ofPeers,
    sessions: gateway,
    peers,
    trustedProxies: config.trustedProxies,
    metrics,
  });
  const inference = new InferenceService({
    evidence,
    fleet,
    paths,
    telemetry,
    awaitedUntil: (nodeIds) => readiness.awaitedUntil(nodeIds),
    clock,
    random,
    recordEvent,
    onCascade: (outcome) => metrics.cascade(outcome),
    onWaiting() {
      demand.urgent();
      loop.trigger("request-waits");
    },
  });
  const { leadership, demand, reports, samples, loop, hops } = composeControlLoop(config, {
    replica,
    postgres,
    artifacts,
    fleet,
    inference,
    hops: () => peers.links.hops(),
    evidence,
    onRollout: (facts) => metrics.rolloutWritten(facts),
    pools: () => cloud.pools.views,
    timings,
    clock,
    random,
    logger,
  });

  const retention = new RetentionSweep({
    store: postgres.retention,
    retention: config.retention,
    lease: () => leadership.current()?.fence,
    clock,
    logger,
  });
  const auditNotes = new AuditNotes({
    audit: postgres.audit,
    isLeading: () => leadership.current() !== undefined,
    clock,
    logger,
  });
  const catalog = new ModelCatalog({
    catalog: postgres.catalog,
    artifacts,
    check: new CheckProcess({ clock, logger, trial: { dataDir: path.resolve(config.dataDir) } }),
    keys,
    fleet,
    clock,
    logger,
    random,
  });
  const apiKeys = new ApiKeys({ store: postgres.keys, clock, keys, random, logger });
  const logins = new LoginSessions({ store: postgres.logins, apiKeys, clock, keys, random, logger });
  const people = await openPeople(config, { logins, clock });
  const events = new EventFeed({ store: postgres.events, clock, logger });
  const join = new NodeJoin({ sessions: postgres.sessions, keys, random, cpId, urls: nodeUrls, recordEvent });
  const deployments = new DeploymentAdmin({
    store: postgres.deployments,
    fleet,
    clock,
    timings,
    publicUrl,
    cascadeState: (name, spec) => inference.cascadeState(name, spec),
    hops,
  });
  const nodes = new NodeAdmin({ store: postgres.nodes, fleet, clock, timings });
  const rollouts = new RolloutAdmin({
    store: postgres.rollouts,
    fleet,
    clock,
    onRollout: (facts) => metrics.rolloutWritten(facts),
  });
  const watches = createFleetWatches({
    instance: replica,
    fleet,
    listNodes: () => nodes.list(),
    someNodes: (names) => nodes.some(names),
    listDeployments: () => deployments.list(),
    listRollouts: () => rollouts.list(),
    listPlacements: () => deployments.allPlacements(),
    somePlacements: (ids) => deployments.allPlacements(ids),
    timings,
    clock,
  });
  const cloud = await composeCloud(config, {
    postgres,
    fleet,
    leadership,
    loop,
    keys,
    cpId,
    nodeUrls,
    recordEvent,
    declared: { deployments, catalog, nodes, watches },
    tls,
    timings,
    clock,
    random,
    logger,
  });
  const readiness = new Readiness({ fleet, paths, timings, clock });
  const httpApi = createHttpApi(http, {
    keys: apiKeys,
    logins,
    people,
    catalog,
    nodes,
    tokens: new TokenAdmin({
      store: postgres.nodes,
      keys,
      random,
      trust: { pin: tls.server?.pin ?? NO_PIN, keySetHash: "none" },
      publicUrl,
    }),
    deployments,
    rollouts,
    serving: new ModelStatusQuery({ fleet, timings }),
    repository: new ModelRepositoryApi({ deployments, fleet, timings, clock }),
    events,
    watches,
    cloudPools: cloud.admin,
    audit: postgres.audit,
    idempotency: postgres.idempotency,
    metrics,
    traffic: new TrafficMeter({ fleet, clock }),
    renderMetrics: () => metrics.render(),
    readiness: (purpose) => readiness.of(purpose),
    infer: (request) => inference.infer(request),
    join: (request, from) => join.join(request, from),
    joinPod: (request, from) => cloud.join(request, from),
    clock,
    random,
    logger,
    version: VERSION,
    publicUrl,
    trustedProxies: config.trustedProxies,
    certificates: tls.server?.certificates,
    console: await readConsole(CONSOLE_DIR),
    cors: new CorsPolicy(config.corsOrigins),
    limits: { inferenceBodyBytes: config.bodyBytes, inferenceBytes: config.bodiesBytes },
  });

  return {
    grpc: httpApi.grpc,
    keys: apiKeys,
    async start() {
      postgres.onClone((clone) => gateway.cloneAnnounced(clone));
      postgres.onNotify((topic) => {
        if (topic === "keys") {
          apiKeys.invalidate();
          logins.invalidate();
          callerKeys.changed();
        }
        if (topic === "events") events.wake();
        if (topic === "demand") demand.changed();
      });
      await waitForPostgres(() => postgres.sessions.enter(self), parts);
      await fleet.start();
      inference.start();
      peers.links.start();
      push.start();
      gateway.start();
      watch.start();
      leadership.start();
      demand.start();
      reports.start();
      samples.start();
      loop.start();
      catalog.start();
      cloud.start();
      retention.start();
      tls.server?.start((event) => recordEvent({ ...event, object: `control-plane/${self.address}` }));
      auditNotes.start();
    },
    open() {
      readiness.start();
      httpApi.open(sockets.upgrade);
    },
    async stop() {
      tls.server?.stop();
      // What takes time and serves no request comes first: until the server closes, callers notice nothing.
      await cloud.stopSteering();
      await retention.stop();
      await auditNotes.stop();
      demand.stop();
      reports.stop();
      samples.stop();
      await loop.stop();
      await leadership.stop();
      const catalogStopped = catalog.stop(); // a bucket may take its time, and no request waits for it
      if (await postgres.sessions.hasOthers(replica).catch(() => false)) {
        gateway.handOver();
        await whenever(() => gateway.isHandedOver, { atMostMs: HAND_OVER_MS, clock });
        readiness.stop();
        http.leave();
        await sleep(clock, config.drainNoticeMs);
      }
      readiness.stop();
      // Their replicas may come long after the server's last second: told now, their callers ask another control plane.
      inference.endWaits();
      await Promise.all([http.stop(), httpApi.grpc.stop(DRAIN_MS), peers.requests.idle()]);
      inference.drain();
      gateway.stop();
      watch.stop();
      peers.links.stop();
      sockets.terminateAll();
      inference.stop();
      recorder.stop();
      await postgres.sessions.leave(replica).catch(() => undefined); // its silence says the same a little later
      await catalogStopped;
      await fleet.stop();
      await cloud.stop();
    },
  };
}

/** Resolves when `holds`, looked at every 50 ms, or after `atMostMs`. */
async function whenever(holds: () => boolean, { atMostMs, clock }: { atMostMs: number; clock: Clock }): Promise<void> {
  const end = clock.now() + atMostMs;
  while (!holds() && clock.now() < end) await sleep(clock, 50);
}
