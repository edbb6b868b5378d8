import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { PlacementLoad } from "../../../shared/protocol/messages/load-report.ts";
import type { StreamOperation } from "../../../shared/protocol/kept-streams.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { WorkerResponse, WorkerRequest } from "../../ports/serving.ts";

export interface OperateRequest {
  readonly placementId: string;
  readonly operation: StreamOperation;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
}

/** What the agent needs of the inference worker: it learns which hosts serve, and answers requests with them. */
export interface RequestExecutor {
  /** From now on requests for the placement go to `host`. Again with a new `placement`: its limits changed. */
  serve(placement: DesiredPlacement, host: ModelHost): void;
  /** As `serve`, while the old host answers what it has; resolves when it has. */
  replace(placement: DesiredPlacement, host: ModelHost): Promise<void>;
  /** No new request is given to the placement's host; what is queued is answered `wasNotExecuted`. */
  remove(placementId: string): void;
  /** A request ended the placement's host. Until `serve` or `remove` its other requests, and new ones, wait for the next host. */
  replaceHost(placementId: string): void;
  /** From now on every request is refused with DRAINING; what was taken is still answered. */
  drain(): void;
  infer(request: WorkerRequest): Promise<WorkerResponse>;
  /** How many streams the pipeline of a placement keeps something of. */
  keptStreams(placementId: string): number;
  /** Of all placements: their bytes too, and how many had to leave for others. */
  streamFigures(): { readonly streams: number; readonly bytes: number; readonly evicted: number };
  /** After `remove`: see `StreamStates.handOver`. */
  handOver(placementId: string, ended: Promise<void>): Promise<number>;
  /** The placement is gone for good: what it kept of streams is, too. */
  forget(placementId: string): void;
  /** The control plane can send requests again, and may have sent them to others meanwhile. */
  reached(): void;
  /** What the control plane asks about streams; 404 when the placement has none of them. */
  operate(request: OperateRequest): Promise<WorkerResponse>;
  load(): { readonly rif: number; readonly placements: readonly PlacementLoad[] };
}
