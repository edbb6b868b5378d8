import type { InferenceChannel } from "../../ports/nodes/channels.ts";
import type { PendingRequests } from "./pending-requests.ts";

/** A way to send requests to a node: its session here, or the link to the control plane that holds it. */
export interface RequestPath {
  readonly pending: PendingRequests;
  /** Undefined when requests cannot be sent now. */
  readonly inference: InferenceChannel | undefined;
  /** What the way adds to the node's own round trip, in ms. */
  readonly hopMs: number;
}
