import { MODELS_MEMORY_SHARE } from "../../../../shared/protocol/limits.ts";
import { encoderMemMiB } from "../../../../shared/text/encoder-model.ts";
import { textMemMiB } from "../../../../shared/text/text-model.ts";
import { builtOf } from "../../fleet/versions/variants.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "../../fleet/types.ts";

const MIB = 1_048_576;
/** Node, ONNX Runtime and its arenas before a model is loaded: 80 MiB resident measured, and room to run. */
const BASELINE_MIB = 256;
/** Weights once as loaded (1.09 × the file, measured) and once for what the graph optimiser and the activations add. */
const COPIES_OF_FILE = 2;
/** Equal figures for nearly equal models make the placements easier to read. */
const STEP_MIB = 64;

/** Memory that a model host is given for a file of `bytes`, in MiB: an estimate until somebody declares it. */
export function estimateMemMiB(bytes: number): number {
  const wanted = Math.ceil((COPIES_OF_FILE * bytes) / MIB) + BASELINE_MIB;
  return Math.ceil(wanted / STEP_MIB) * STEP_MIB;
}

/** What a new placement is given: what the deployment says, else the estimate. */
export const memoryNeedMiB = (version: FleetVersion, deployment: FleetDeployment | undefined): number =>
  deployment?.spec.limits.memMiB ?? estimateOf(version);

function estimateOf({ text, encoder, engine, pipeline, bytes }: FleetVersion): number {
  if (engine !== undefined) return 0; // it is the engine's memory, of which the node has no figure
  if (text !== undefined) return textMemMiB(text, bytes);
  if (encoder !== undefined) return encoderMemMiB(encoder, bytes);
  return estimateMemMiB(bytes) + (pipeline?.roomMiB ?? 0);
}

/**
 * The limit of a placement's model host, in MiB, and so what is reserved for it: what the deployment says, else what trials
 * on its node showed, else the estimate.
 */
export const memoryLimitMiB = (
  { measuredMiB }: Pick<FleetPlacement, "measuredMiB">,
  version: FleetVersion,
  deployment: FleetDeployment | undefined,
): number => deployment?.spec.limits.memMiB ?? measuredMiB ?? estimateOf(version);

/** What a placement may use of its node's memory, in MiB. */
export function reservedMiB(fleet: Fleet, placement: FleetPlacement): number {
  const version = builtOf(fleet, placement);
  const deployment = placement.deployment === undefined ? undefined : fleet.deployments.get(placement.deployment);
  return version ? memoryLimitMiB(placement, version, deployment) : (placement.rssMiB ?? 0);
}

/** Memory of a node that models may use, in MiB: the rest is the system's and the agent's. */
export const usableMemoryMiB = ({ capabilities }: FleetNode): number =>
  Math.floor((capabilities?.memMiB ?? 0) * MODELS_MEMORY_SHARE);
