import type { PlacementFailure, PlacementState, RunSharing } from "../../../shared/protocol/placement.ts";

/** What `LocalPlacement` says of itself beside its state. */

export type HostState = "none" | "starting" | "running" | "stopping";

/** Why an attempt ended. `detail` is for a person and is cut at 1,000 characters. */
export interface Failure {
  readonly code: PlacementFailure;
  readonly detail: string;
}

/** What is known of a running model host. */
export interface Measured {
  readonly rssMiB: number;
  readonly warmUs: number;
  readonly sharing: RunSharing;
  /** Memory that it may use, in MiB; 0: any amount. */
  readonly limitMiB: number;
  /** What trials at its start showed it to need. */
  readonly measuredMiB?: number;
  /** The name of its host, when that may hold other models too. */
  readonly host?: string;
}

/** What is reported with a state. */
export interface StateFacts {
  readonly failure?: Failure;
  /** Bytes here, and bytes in all. */
  readonly progress?: { readonly done: number; readonly total: number };
  readonly measured?: Measured | undefined;
  /** Streams of which a draining one keeps something. */
  readonly keptStreams?: number;
}

/** What a crash led to: `restart`: the host may start again at `notBefore`; `give-up`: the placement failed. */
export interface CrashVerdict {
  readonly kind: "restart" | "give-up";
  /** Crashes within the window of the restart policy, this one included; 0 after `give-up`. */
  readonly crashes: number;
}

/** States that a placement passes through between two hosts. */
export const BETWEEN_HOSTS: readonly PlacementState[] = ["staged", "verifying", "loading", "warming"];
/** States that an attempt may fail in before it serves. */
export const BEFORE_SERVING: readonly PlacementState[] = ["offered", "downloading", ...BETWEEN_HOSTS];
