import type { NodeId } from "../../../shared/base/ids.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { FleetKeys } from "./changes/fleet-keys.ts";
import type { FleetLoad, FleetRows, RecordedSession } from "./types.ts";

/** Everything that can change the fleet in memory. `at` is this replica's monotonic time in ms. */
export type FleetEvent =
  /**
   * Postgres was read: inventory and desired state are as it says; what nodes said since stays. With `keys` the rows are
   * all that there is of these, and nothing is said about the rest.
   */
  | { readonly type: "rows-loaded"; readonly rows: FleetRows; readonly keys?: FleetKeys | undefined }
  /** What replicas recorded of their sessions was read. */
  | { readonly type: "liveness-loaded"; readonly sessions: readonly RecordedSession[] }
  /** This replica opened a session of the node. */
  | {
      readonly type: "session-opened";
      readonly nodeId: NodeId;
      readonly epoch: number;
      readonly replica: string;
      readonly agentVersion: string;
      readonly capabilities: Capabilities;
      readonly at: number;
    }
  /** What the node can do has changed within its session. */
  | {
      readonly type: "capabilities-reported";
      readonly nodeId: NodeId;
      readonly epoch: number;
      readonly capabilities: Capabilities;
    }
  /**
   * Which of our answers it named. `current`: both directions work. `previous`: the one before it, so the newest was on its way,
   * or one side had stood still; that proves nothing and disproves nothing. `stale`: what we send does not arrive.
   */
  | {
      readonly type: "heartbeat-received";
      readonly nodeId: NodeId;
      readonly epoch: number;
      readonly confirmation: "current" | "previous" | "stale";
      readonly at: number;
    }
  /** Some byte arrived on one of the node's sockets. */
  | { readonly type: "node-heard"; readonly nodeId: NodeId; readonly epoch: number; readonly at: number }
  /** So many bytes were pushed to the node in `ms`. */
  | {
      readonly type: "push-measured";
      readonly nodeId: NodeId;
      readonly epoch: number;
      readonly bytes: number;
      readonly ms: number;
      readonly at: number;
    }
  | { readonly type: "load-reported"; readonly nodeId: NodeId; readonly epoch: number; readonly load: FleetLoad }
  /** `isDisconnect`: neither side meant to. */
  | {
      readonly type: "session-closed";
      readonly nodeId: NodeId;
      readonly epoch: number;
      readonly at: number;
      readonly isDisconnect: boolean;
    }
  | {
      readonly type: "placement-reported";
      readonly nodeId: NodeId;
      readonly report: PlacementReport;
      readonly at: number;
    };
