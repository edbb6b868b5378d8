import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import { CallerLimits } from "../../../../edge-node/adapters/http/caller-limits.ts";
import { HostPolicy } from "../../../../edge-node/adapters/http/host-policy.ts";
import { LocalApi } from "../../../../edge-node/adapters/http/local-api.ts";
import { LocalCallers } from "../../../../edge-node/adapters/http/local-callers.ts";
import type { LocalKeys } from "../../../../edge-node/adapters/http/local-keys.ts";
import type { KnownCaller } from "../../../../edge-node/ports/disk.ts";
import { NodeMetrics } from "../../../../edge-node/adapters/http/metrics.ts";
import { NoStreams } from "../../../../edge-node/app/streams/no-streams.ts";
import type { LocalStreams } from "../../../../edge-node/ports/streams.ts";
import { InferenceWorker } from "../../../../edge-node/app/inference/inference-worker.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import type {
  LocalNode,
  LocalPlacementView,
  LocalStatus,
  ModelSignature,
} from "../../../../edge-node/ports/serving.ts";
import { type Clock, systemClock } from "../../../../shared/base/clock.ts";
import { ByteBudget } from "../../../../shared/inference/http/byte-budget.ts";
import { InferenceStatistics } from "../../../../shared/inference/statistics.ts";
import { DEFAULT_BODIES_BYTES } from "../../../../shared/protocol/limits.ts";
import { GrpcServer } from "../../../../shared/grpc-server/grpc-server.ts";
import { LocalFront } from "../../../../edge-node/adapters/http/grpc/local-front.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { identityModel } from "../../../support/models/onnx/onnx-models.ts";
import { loopModel } from "../../../support/models/onnx/hostile-models.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const LIMITS = { memMiB: 512, maxBatch: 8, queue: 64, timeoutMs: 60_000 };

export const aPlacement = (
  name: string,
  host: ModelHost,
  over: Partial<LocalPlacementView> = {},
): LocalPlacementView => ({
  placementId: name,
  deployment: name,
  model: name,
  version: "3",
  aliases: [],
  want: "serve",
  state: "ready",
  timeoutMs: LIMITS.timeoutMs,
  isEdgeOnly: false,
  isStandby: false,
  streams: [],
  artifact: `sha256:${name}`,
  detail: undefined,
  stateAgeMs: 0,
  progress: undefined,
  signature: { inputs: host.inputs, outputs: host.outputs },
  ...over,
});

export interface Facts {
  kind: "edge" | "cloud";
  connected: boolean;
  removed: boolean;
  keyToApprove: string | undefined;
  draining: boolean;
  readyWhen: "all" | "any";
  placements: LocalPlacementView[];
  status: LocalStatus;
  /** What the manifests on the disk say, by artifact. */
  declared: Record<string, ModelSignature>;
}

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly bytes: Buffer;
  readonly json: unknown;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

/** The node's own API over two real model hosts: `same`, which returns its input, and `loop`, which runs as long as it is asked to. */
export class LocalApiRig {
  directory!: string;
  identity!: ModelHost;
  loop!: ModelHost;
  api!: LocalApi;
  grpc!: GrpcServer;
  worker!: InferenceWorker;
  port!: number;
  facts!: Facts;
  /** What the node logged. */
  lines!: object[];
  readonly agent = new HttpAgent({ keepAlive: false });

  async startHosts(): Promise<void> {
    this.directory = await mkdtemp(path.join(tmpdir(), "skerry-local-"));
    const hosts = new ProcessModelHosts({ workDirectory: workFolder(this.directory) });
    const start = async (name: string, file: Uint8Array): Promise<ModelHost> => {
      const folder = path.join(this.directory, name);
      await mkdir(folder);
      await writeFile(path.join(folder, MODEL_FILE), file);
      const spec = { placementId: name, model: name, version: "3", directory: folder, limits: LIMITS };
      return hosts.start(spec, () => undefined, new AbortController().signal);
    };
    this.identity = await start("same", identityModel("FP32", ["n", 2]));
    this.loop = await start("loop", loopModel({ forever: false }));
  }

  async stopHosts(): Promise<void> {
    await Promise.all([this.identity.stop(1_000), this.loop.stop(0)]);
    await rm(this.directory, { recursive: true, force: true });
  }

  /** `streams`: of the node; none unless given. */
  async open(
    over: Partial<Facts> = {},
    keys?: LocalKeys,
    {
      apiKeys,
      streams,
      limitsClock = systemClock,
    }: {
      readonly apiKeys?: { find(id: string): KnownCaller | "stale" | undefined };
      readonly streams?: (node: LocalNode) => LocalStreams;
      /** By which the limits of keys and of guesses are counted. */
      readonly limitsClock?: Clock;
    } = {},
  ): Promise<void> {
    const metrics = new NodeMetrics();
    const limits = new CallerLimits({ clock: limitsClock, onReached: (limit) => metrics.limitReached(limit) });
    const callers = keys || apiKeys ? new LocalCallers({ keys, apiKeys, limits }) : undefined;
    this.facts = {
      kind: "edge",
      connected: true,
      removed: false,
      keyToApprove: undefined,
      draining: false,
      readyWhen: "all",
      placements: [aPlacement("same", this.identity), aPlacement("loop", this.loop)],
      declared: {},
      status: { startedAgeMs: 0, link: { ageMs: 0, lastFault: undefined }, log: [], unsentLines: 0 },
      ...over,
    };
    this.worker = new InferenceWorker({ clock: systemClock, nodeName: "dock-7", nodeKind: this.facts.kind });
    this.worker.serve({ placementId: "same", model: "same", version: "3", limits: LIMITS }, this.identity);
    this.worker.serve({ placementId: "loop", model: "loop", version: "3", limits: LIMITS }, this.loop);
    const node: LocalNode = {
      name: "dock-7",
      kind: this.facts.kind,
      version: "1.2.3",
      isConnected: () => this.facts.connected,
      isRemoved: () => this.facts.removed,
      keyToApprove: () => this.facts.keyToApprove,
      isDraining: () => this.facts.draining,
      placements: () => this.facts.placements,
      declaredSignature: async (artifact) => this.facts.declared[artifact],
      status: () => this.facts.status,
      load: () => this.worker.load(),
      keptStreams: () => this.worker.streamFigures(),
      infer: (request) => this.worker.infer(request),
    };
    const { readyWhen } = this.facts;
    this.lines = [];
    const logger = { ...silentLogger, info: (fields: object) => void this.lines.push(fields) };
    const bodies = new ByteBudget(DEFAULT_BODIES_BYTES);
    const statistics = new InferenceStatistics();
    this.api = new LocalApi({
      node,
      streams: streams?.(node) ?? new NoStreams(node),
      metrics,
      callers,
      readyWhen,
      bodies,
      maxBodyBytes: 8 * 1_048_576,
      statistics,
      clock: systemClock,
      logger,
      hosts: new HostPolicy(["dock-7.example"]),
    });
    this.port = await this.api.listen({ host: "127.0.0.1", port: 0 });
    const front = new LocalFront({ node, metrics, callers, readyWhen, bodies, statistics, clock: systemClock, logger });
    this.grpc = new GrpcServer({ front, maxBodyBytes: 8 * 1_048_576, clock: systemClock, logger, trustedProxies: 0 });
  }

  async close(): Promise<void> {
    await this.grpc.stop(0);
    await this.api.close();
  }

  readonly call = (target: string, { method = "GET", headers = {}, body }: Sent = {}): Promise<Answered> => {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port: this.port, path: target, method, headers, agent: this.agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const isJson = response.headers["content-type"] === "application/json";
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes,
            json: isJson ? JSON.parse(bytes.toString("utf8")) : undefined,
          });
        });
      });
      request.on("error", reject);
      request.end(body);
    });
  };

  readonly infer = (body: unknown, headers: Record<string, string> = {}, model = "same"): Promise<Answered> =>
    this.call(`/v2/models/${model}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
}

export const pair = { id: "q1", inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }] };
export const turns = (count: number): object => ({
  inputs: [{ name: "turns", datatype: "INT64", shape: [], data: [count] }],
});
