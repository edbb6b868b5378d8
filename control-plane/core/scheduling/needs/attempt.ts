import type { FleetNode, PlacementAttempt } from "../../fleet/types.ts";

/** What an attempt that begins on `node` now depends on. */
export const attemptOn = (node: FleetNode, memMiB: number): PlacementAttempt => ({ memMiB, agent: agentOf(node) });

const agentOf = ({ session, capabilities }: FleetNode): string =>
  `agent ${session?.agentVersion ?? "unknown"} with ${capabilities?.runtime ?? "no runtime"}`;
