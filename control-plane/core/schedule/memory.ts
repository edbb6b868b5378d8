import type { FleetDeployment, FleetVersion } from "../fleet/types.ts";

const MIB = 1_048_576;
/** A model host with a tiny model; what a Node process and ONNX Runtime need before the first weight. */
const HOST_BASE_MIB = 256;
const STEP_MIB = 64;

/**
 * Memory that a placement of this file may use, in MiB, as long as nobody has measured or declared it: twice the
 * file (loading by path peaks near 1.1 times, activations come on top), plus the host itself, in steps of 64.
 */
export const estimateMemMiB = (bytes: number): number =>
  Math.ceil(((2 * bytes) / MIB + HOST_BASE_MIB) / STEP_MIB) * STEP_MIB;

/** What a placement is given: the deployment's word, else the estimate. It is the host's limit, so it is also what is reserved. */
export const memoryNeedMiB = (version: FleetVersion, deployment: FleetDeployment | undefined): number =>
  deployment?.spec.limits.memMiB ?? estimateMemMiB(version.bytes);
