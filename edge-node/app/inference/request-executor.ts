import type { DesiredPlacement, PlacementLoad } from "../../../shared/protocol/messages.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { WorkerResponse, WorkerRequest } from "../../ports/serving.ts";

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
  load(): { readonly rif: number; readonly placements: readonly PlacementLoad[] };
}
