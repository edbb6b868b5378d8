import type { FleetPlacement } from "../../core/fleet/types.ts";
import { measuredRollout } from "../../core/rollout/measured-rollout.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import type { EvidenceMeter } from "./evidence-meter.ts";

/** Counts a model host that ended by itself, while a rollout of its deployment is measured. */
export function countCrash(
  { deployment: name, version }: FleetPlacement,
  { fleet, meter }: { readonly fleet: FleetReader; readonly meter: EvidenceMeter },
): void {
  const deployment = fleet.snapshot().deployments.get(name ?? "");
  const measured = deployment && measuredRollout(deployment);
  if (measured) meter.crashed(measured, version);
}
