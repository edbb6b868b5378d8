import { own } from "../../../shared/bytes/owned-bytes.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { PlacementFailure, RunSharing } from "../../../shared/protocol/placement.ts";
import { hostFailure } from "../../../edge-node/app/hosts/host-failure.ts";
import type { RequestExecutor } from "../../../edge-node/app/inference/request-executor.ts";
import type {
  HostResponse,
  HostExit,
  HostSpec,
  ModelHost,
  ModelHosts,
  RequestFault,
} from "../../../edge-node/ports/model-hosts.ts";
import type { WorkerResponse, WorkerRequest } from "../../../edge-node/ports/serving.ts";

/** A model host without a process: answers each body with itself, and ends when it is told to. */
export class FakeHost implements ModelHost {
  readonly inputs = [];
  readonly outputs = [];
  readonly loadMs = 1;
  readonly warmUs = 120;
  measuredMiB: number | undefined;
  noBatchReason: string | undefined;
  readonly sharedHost?: string;
  whyReplaceNow: string | undefined;
  readonly spec: HostSpec;
  readonly mayShare: RunSharing | undefined;
  readonly exited: Promise<HostExit>;
  isRunning = true;
  #exit: (exit: HostExit) => void = () => undefined;

  constructor(spec: HostSpec) {
    this.spec = spec;
    this.mayShare = spec.mayShare;
    if (spec.mayShareHost === true) this.sharedHost = "shared-1";
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  ownMiBNow = 20;

  rssMiB(): number {
    return 64;
  }

  memory(): { limitMiB: number; privateMiB: number } {
    return { limitMiB: this.spec.limits.memMiB, privateMiB: this.ownMiBNow };
  }

  whyReplace(): string | undefined {
    return this.whyReplaceNow;
  }

  /** What it was raised to, in turn. */
  readonly raised: number[] = [];

  raiseMemory(memMiB: number): Promise<void> {
    this.raised.push(memMiB);
    return Promise.resolve();
  }

  infer({ body: asked, headerLength }: { body: Uint8Array; headerLength: number }): Promise<HostResponse> {
    return Promise.resolve({
      status: 200,
      headerLength,
      body: own(Buffer.from(asked)),
      computeUs: 100,
      decodeUs: 0,
      encodeUs: 0,
      code: undefined,
      batchSize: 1,
    });
  }

  stop(): Promise<void> {
    this.end("stopped", "HOST_CRASHED");
    return Promise.resolve();
  }

  crash(): void {
    this.end("signal SIGSEGV", "HOST_CRASHED");
  }

  /** A request ended it. */
  overwhelm(): void {
    this.end("memory limit of 256 MiB: it held 300 MiB", "OUT_OF_MEMORY", "OUT_OF_MEMORY");
  }

  private end(reason: string, code: PlacementFailure, blames?: RequestFault): void {
    this.isRunning = false;
    this.#exit({ reason, code, ...(blames !== undefined && { blames }) });
  }
}

/** Starts fake hosts, or fails to, as `plan` says for a placement. Keeps a diary. */
export class FakeHosts implements ModelHosts {
  readonly started: FakeHost[] = [];
  readonly diary: string[] = [];
  readonly failures = new Map<string, PlacementFailure>();
  /** Starts of these placements wait for `release`. */
  readonly held = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  async start(
    spec: HostSpec,
    onPhase: (phase: "loading" | "warming") => void,
    signal: AbortSignal,
  ): Promise<ModelHost> {
    this.diary.push(`start ${spec.placementId}`);
    if (this.held.has(spec.placementId))
      await new Promise<void>((resolve, reject) => {
        this.#waiting.set(spec.placementId, resolve);
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      });
    onPhase("warming");
    const failure = this.failures.get(spec.placementId);
    if (failure) throw hostFailure(failure, `${spec.placementId} was made to fail`);
    const host = new FakeHost(spec);
    void host.exited.then(({ reason }) => this.diary.push(`${reason} ${spec.placementId}`));
    this.started.push(host);
    return host;
  }

  release(placementId: string): void {
    this.held.delete(placementId);
    this.#waiting.get(placementId)?.();
  }

  /** The newest running host of a placement. */
  running(placementId: string): FakeHost | undefined {
    return this.started.findLast(({ spec, isRunning }) => isRunning && spec.placementId === placementId);
  }
}

/** Gives every request to the placement's host. */
export class FakeServing implements RequestExecutor {
  readonly hosts = new Map<string, ModelHost>();
  done = 0;

  serve(placement: DesiredPlacement, host: ModelHost): void {
    this.hosts.set(placement.placementId, host);
  }

  async replace(placement: DesiredPlacement, host: ModelHost): Promise<void> {
    this.serve(placement, host);
  }

  remove(placementId: string): void {
    this.hosts.delete(placementId);
  }

  replaceHost(placementId: string): void {
    this.hosts.delete(placementId);
  }

  drain(): void {
    this.hosts.clear();
  }

  async infer(request: WorkerRequest): Promise<WorkerResponse> {
    const figures = { queueUs: 1, nodeInFlight: 1, placementInFlight: 1, meanUs: 100, p95Us: 200, slots: 1 };
    const host = this.hosts.get(request.placementId);
    if (!host) {
      const nothing = {
        headerLength: request.headerLength,
        body: own(new Uint8Array(0)),
        computeUs: 0,
        inHost: undefined,
      };
      return { status: 404, code: "MODEL_NOT_READY", wasNotExecuted: true, ...nothing, ...figures };
    }
    const answer = await host.infer({ ...request, timeoutMs: request.deadlineMs, maxRows: 1 });
    this.done += 1;
    return { ...answer, wasNotExecuted: false, inHost: undefined, ...figures };
  }

  keptStreams(): number {
    return 0;
  }

  streamFigures(): { streams: number; bytes: number; evicted: number } {
    return { streams: 0, bytes: 0, evicted: 0 };
  }

  async handOver(_placementId: string, ended: Promise<void>): Promise<number> {
    await ended;
    return 0;
  }

  forget(): void {}

  reached(): void {}

  operate(): Promise<WorkerResponse> {
    throw new Error("no streams are kept here");
  }

  load(): { rif: number; placements: [] } {
    return { rif: 0, placements: [] };
  }
}
