import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../shared/base/clock.ts";
import { messageOf, SkerryError } from "../shared/base/errors.ts";
import type { Logger } from "../shared/base/logging/logger.ts";
import type { Random } from "../shared/base/random.ts";
import { ByteBudget } from "../shared/inference/http/byte-budget.ts";
import { CorsPolicy } from "../shared/inference/http/cors.ts";
import { InferenceStatistics } from "../shared/inference/statistics.ts";
import { VERSION } from "../shared/base/version.ts";
import { Engines } from "./adapters/engine/engines.ts";
import { ArtifactFolders, readMainFile } from "./adapters/filesystem/artifact-folders.ts";
import { lockFolder } from "./adapters/filesystem/folder-lock.ts";
import { IdentityFiles } from "./adapters/filesystem/identity-files.ts";
import { JsonCallersFile } from "./adapters/filesystem/callers-file.ts";
import { BinaryStreamStateFile } from "./adapters/filesystem/stream-state-file.ts";
import { JsonStateFile } from "./adapters/filesystem/state-file.ts";
import { findConfinement } from "./adapters/host-process/confinement/confinement.ts";
import { ProcessModelHosts } from "./adapters/host-process/model-hosts.ts";
import { SharedProcesses } from "./adapters/host-process/shared-processes.ts";
import { GrpcServer } from "../shared/grpc-server/grpc-server.ts";
import { LocalFront } from "./adapters/http/grpc/local-front.ts";
import { CallerLimits } from "./adapters/http/caller-limits.ts";
import { HostPolicy } from "./adapters/http/host-policy.ts";
import { LocalApi } from "./adapters/http/local-api.ts";
import { LocalCallers } from "./adapters/http/local-callers.ts";
import { LocalKeys } from "./adapters/http/local-keys.ts";
import { NodeMetrics } from "./adapters/http/metrics.ts";
import { DeviceEndpoints } from "./adapters/streams/device-endpoints.ts";
import { ThreadStore } from "./adapters/streams/thread-store.ts";
import { HttpJoinClient } from "./adapters/system/http-join-client.ts";
import { MachineProbe } from "./adapters/system/machine-probe.ts";
import { pinnedConnect } from "./adapters/system/pinned-connect.ts";
import { WebSocketDialer } from "./adapters/websocket/dialer.ts";
import { Agent } from "./app/agent.ts";
import { HostsByRuntime } from "./app/hosts/hosts-by-runtime.ts";
import { SharedHosts } from "./app/hosts/shared-hosts.ts";
import { InferenceWorker } from "./app/inference/inference-worker.ts";
import { StreamStates } from "./app/inference/stream-states.ts";
import { type Admission, join } from "./app/session/join.ts";
import { CallerKeys } from "./app/session/caller-keys.ts";
import { KeyRotation } from "./app/session/key-rotation.ts";
import { localNode } from "./app/placements/local-node.ts";
import { NoStreams } from "./app/streams/no-streams.ts";
import { Streams, type StreamsParts } from "./app/streams/streams.ts";
import type { Config } from "./config.ts";
import { isLoopback } from "../shared/base/network/loopback.ts";
import type { NodeIdentity } from "./ports/identity.ts";
import type { LocalNode } from "./ports/serving.ts";
import { streamReports } from "./core/streams/stream-report.ts";
import type { LocalStreams } from "./ports/streams.ts";

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called when this node was removed and its configuration has a token to join with anew: stop it and compose again. */
  readonly rejoin: () => void;
  /** Aborted when the process is told to stop before the node is up. */
  readonly signal: AbortSignal;
  /** Run model hosts as this program. For tests. */
  readonly hostEntry?: string;
}

export interface Node {
  /** Listens, serves what the disk holds, dials. */
  start(): Promise<void>;
  /** Drains for at most `graceMs`, stops the model hosts, closes the session. */
  stop(graceMs: number): Promise<void>;
}

/** Puts the node together; joins first when this state folder has no identity yet. Nothing listens before `start`. */
export async function composeNode(config: Config, parts: Parts): Promise<Node> {
  const stateDir = path.resolve(config.stateDir);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const unlock = await lockFolder(stateDir);
  try {
    return await composeLocked(config, { ...parts, stateDir, unlock });
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function composeLocked(
  config: Config,
  parts: Parts & { readonly stateDir: string; readonly unlock: () => Promise<void> },
): Promise<Node> {
  const { clock, random, logger, stateDir, unlock } = parts;
  const keys = await localKeys(config);
  const store = new IdentityFiles(stateDir);
  const identity = withUrl(await identify(config, { ...parts, store }), config.url);
  const asksForKey = keys !== undefined || !isLoopback(config.localHost);
  // After the join, which sets aside those of another control plane.
  const callerKeys = asksForKey ? await apiKeys(config, parts) : undefined;
  const metrics = new NodeMetrics();
  const limits = new CallerLimits({ clock, onReached: (limit) => metrics.limitReached(limit) });
  const callers = asksForKey ? new LocalCallers({ keys, apiKeys: callerKeys, limits }) : undefined;
  const kept = new StreamStates({ file: new BinaryStreamStateFile(stateDir, logger), clock, logger });
  const serving = new InferenceWorker({
    clock,
    streams: kept,
    nodeName: identity.name,
    nodeKind: identity.kind,
    maxHeldBytes: config.bodiesBytes,
  });
  const policy = { ...config, pin: identity.pin };
  const disk = new ArtifactFolders(stateDir);
  const engines = new Engines({ settings: config.engines, clock, random, logger });
  const confinement = await findConfinement({ hostUid: config.hostUid, stateDir });
  const absent = confinement.measures.filter(({ isActive }) => !isActive).map(({ what }) => what);
  logger.info({ absent }, "model hosts are confined, but for what is absent on this machine (skerry doctor edge)");
  const places = { workDirectory: path.join(stateDir, "work"), mainFile: readMainFile, confinement };
  const alone = new ProcessModelHosts({
    ...places,
    textThreads: config.textThreads,
    ...(parts.hostEntry !== undefined && { entry: parts.hostEntry }),
  });
  const processes = new SharedHosts({ alone, processes: new SharedProcesses(places), clock, logger });
  const agent = new Agent({
    dialer: new WebSocketDialer({
      identity,
      agentVersion: VERSION,
      connect: (url, signal) => pinnedConnect(policy, url, signal),
      clock,
    }),
    memoryFile: new JsonStateFile(stateDir, logger),
    disk,
    hosts: new HostsByRuntime({ processes, engines }),
    serving,
    probe: new MachineProbe(
      stateDir,
      { url: localUrl(config), asksForKey },
      { engines: () => engines.offer(), signingKeys: config.signingKeys?.publicKeys },
    ),
    telemetry: metrics,
    streams: () => streamReports(streams.shown.statuses()),
    signingKeys: config.signingKeys,
    callerKeys,
    keyRotation: new KeyRotation({ identity, keys: store, logger }),
    clock,
    random,
    logger,
    onRemoved: () => {
      void callerKeys?.forget();
      void onRemoved(identity, config, parts);
    },
  });
  const node = localNode(identity, { agent, disk, serving, version: VERSION });
  const report = (sentence: string): void => agent.report(sentence, "StreamProblem");
  const streams = streamsOf(config, { node, stateDir, report, clock, random, logger });
  const bodies = new ByteBudget(config.bodiesBytes);
  const statistics = new InferenceStatistics();
  const { readyWhen, bodyBytes: maxBodyBytes } = config;
  const shown = { node, metrics, streams: streams.shown, callers };
  const serves = { ...shown, readyWhen, bodies, maxBodyBytes, statistics, clock, logger };
  const hosts = new HostPolicy(config.localNames);
  const api = new LocalApi({ ...serves, hosts, cors: new CorsPolicy(config.corsOrigins) });
  const grpc = new GrpcServer({ front: new LocalFront(serves), maxBodyBytes, clock, logger, trustedProxies: 0 });
  return {
    async start() {
      engines.onChange(() => void agent.capabilitiesChanged());
      engines.open();
      callerKeys?.start();
      // First what it holds: a caller who comes at once must not hear that there is nothing.
      await kept.restore();
      await agent.restore();
      await listen(config.localHost, config.localPort, { api, setting: "SKERRY_LOCAL_PORT" });
      if (config.grpcPort !== undefined)
        await listen(config.localHost, config.grpcPort, { api: grpc, setting: "SKERRY_GRPC_PORT" });
      await streams.start();
      await agent.start();
    },
    async stop(graceMs) {
      await streams.stop();
      await agent.stop(graceMs);
      await kept.stop();
      await callerKeys?.stop();
      await engines.close();
      await grpc.stop(0);
      await api.close();
      await unlock();
    },
  };
}

/** Before the models stop, so that what is under way is inferred and stored. */
function streamsOf(
  { streams: file }: Config,
  parts: Omit<StreamsParts, "store" | "endpoints"> & { readonly node: LocalNode; readonly stateDir: string },
): { readonly shown: LocalStreams; start(): Promise<void>; stop(): Promise<void> } {
  const { clock, logger, stateDir, node } = parts;
  if (file === undefined)
    return { shown: new NoStreams(node), start: () => Promise.resolve(), stop: () => Promise.resolve() };
  const store = new ThreadStore(path.join(stateDir, "streams.db"), { maxBytes: file.maxMiB * 1_048_576, logger });
  const streams = new Streams({
    ...parts,
    store,
    endpoints: new DeviceEndpoints(file, { nodeName: node.name, clock, random: parts.random }),
  });
  return { shown: streams, start: () => streams.start(), stop: () => streams.stop() };
}

/** Who this node is; made by a join when nothing is on the disk. Throws what `join` throws. */
async function identify(
  config: Config,
  parts: Parts & { readonly stateDir: string; readonly store: IdentityFiles },
): Promise<NodeIdentity> {
  const { store, logger } = parts;
  const known = await store.load();
  if (known !== null && !((known.isRemoved || config.joinsAgain) && mayRejoin(known, config))) return known;
  if (known !== null)
    logger.info({ node: known.name }, "joins again; the identity of before stays until that was accepted");
  const { url, name, kind } = config;
  const admission = admissionOf(config);
  if (url === undefined || admission === undefined)
    throw new SkerryError(
      "INVALID_REQUEST",
      `${parts.stateDir} holds no identity, so this node has to join first: set SKERRY_URL and SKERRY_JOIN_TOKEN (in a pod SKERRY_POD_TOKEN_FILE), or run \`skerry join\``,
    );
  const pin = admission.kind === "token" ? admission.token.pin : admission.pin;
  const policy = { ...config, pin };
  const client = new HttpJoinClient(url, (to, signal) => pinnedConnect(policy, to, signal));
  return join({ admission, name, kind }, { ...parts, client }, parts.signal);
}

function admissionOf({ joinToken: token, podTokenFile }: Config): Admission | undefined {
  if (podTokenFile !== undefined)
    // Nothing tells a pod a pin: it verifies the control plane by SKERRY_CA_FILE, or by the authorities of its image.
    return { kind: "pod", read: () => readFile(podTokenFile, "utf8"), pin: "none" };
  return token && { kind: "token", token };
}

/** A token that is left over from the first start makes no second node. */
const mayRejoin = ({ tokenId }: NodeIdentity, { url, joinToken }: Config): boolean =>
  url !== undefined && joinToken !== undefined && joinToken.id !== tokenId;

async function onRemoved(
  identity: NodeIdentity,
  config: Config,
  { stateDir, rejoin, logger }: Pick<Parts, "rejoin" | "logger"> & { readonly stateDir: string },
): Promise<void> {
  try {
    await new IdentityFiles(stateDir).markRemoved();
    // Of an older agent's identity the token is not known: the next start tries what is configured then.
    if (identity.tokenId !== undefined && mayRejoin(identity, config)) rejoin();
  } catch (error) {
    logger.warn({ error: messageOf(error) }, "the removal could not be written");
  }
}

/** After those of the join, which a dial that fails leaves behind: so a node follows a control plane that has moved. */
function withUrl(identity: NodeIdentity, url: string | undefined): NodeIdentity {
  if (url === undefined) return identity;
  const own = url.replace(/^http/, "ws").replace(/\/+$/, "");
  return identity.urls.includes(own) ? identity : { ...identity, urls: [...identity.urls, own] };
}

/** Beyond loopback somebody has to be asked for something: with no kind of key the node does not listen there. */
async function localKeys({ localHost, localKeysFile, apiKeysOfflineMs }: Config): Promise<LocalKeys | undefined> {
  if (localKeysFile !== undefined) return LocalKeys.open(localKeysFile);
  if (isLoopback(localHost) || apiKeysOfflineMs > 0) return undefined;
  throw new SkerryError(
    "INVALID_REQUEST",
    `SKERRY_LOCAL_HOST ${localHost} is reachable by others, so callers need keys: set SKERRY_LOCAL_KEYS_FILE or SKERRY_API_KEYS_OFFLINE_HOURS, or listen on 127.0.0.1`,
  );
}

async function apiKeys(
  { apiKeysOfflineMs: maxOfflineMs }: Config,
  { stateDir, clock, logger }: Pick<Parts, "clock" | "logger"> & { readonly stateDir: string },
): Promise<CallerKeys | undefined> {
  if (maxOfflineMs === 0) return undefined;
  const keys = new CallerKeys({ file: new JsonCallersFile(stateDir), maxOfflineMs, clock, logger });
  await keys.load();
  return keys;
}

async function listen(
  host: string,
  port: number,
  { api, setting }: { readonly api: Pick<LocalApi, "listen">; readonly setting: string },
): Promise<void> {
  try {
    await api.listen({ host, port });
  } catch (error) {
    if (!isAddressTaken(error)) throw error;
    throw new Error(
      `${host}:${port} is taken by another program: end it, or set ${setting} to another port (0: any free one)`,
      { cause: error },
    );
  }
}

/** grpc-js tells it by its text alone. */
const isAddressTaken = (error: unknown): boolean =>
  Error.isError(error) && (("code" in error && error.code === "EADDRINUSE") || error.message.includes("EADDRINUSE"));

/** Where others reach this node's own API: what was said, else what follows from host and port. An address for all interfaces is nobody's. */
function localUrl({ localUrl: said, localHost: host, localPort: port }: Config): string | undefined {
  if (said !== undefined) return said;
  if (port === 0 || host === "0.0.0.0" || host === "::") return undefined;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
