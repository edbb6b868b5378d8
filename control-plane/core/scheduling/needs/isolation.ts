import { DEFAULT_TIMEOUT_MS, type DeploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import { MAX_SHARED_MODEL_BYTES, SHARED_RUN_MS } from "../../../../shared/protocol/limits.ts";
import { kindOf } from "../../../../shared/text/model-kind.ts";
import type { FleetDeployment, FleetVersion } from "../../fleet/types.ts";

export type Isolation = NonNullable<DeploymentSpec["limits"]["isolation"]>;

const MIB = 1_048_576;

/**
 * Whether a version may run in one process with other small models, for this deployment. Those that may do, unless it says
 * otherwise: a node with many small models would fill its memory with processes, and a busy model leaves by itself. Who raises
 * `limits.timeoutMs` expects long runs, and the first of them would end a shared host with all of its models.
 */
export function isolationOf(version: FleetVersion, { spec }: Pick<FleetDeployment, "spec">): Isolation {
  const { timeoutMs, isolation = timeoutMs > DEFAULT_TIMEOUT_MS ? "dedicated" : "shared" } = spec.limits;
  return isolation === "shared" && whyDedicated(version, spec) === undefined ? "shared" : "dedicated";
}

/** Why a version has to have a model host of its own, as the end of a sentence; undefined: it may share one. */
export function whyDedicated(version: FleetVersion, spec: DeploymentSpec): string | undefined {
  const { model, state, bytes } = version;
  const name = `${model}:${version.version}`;
  if (version.engine !== undefined || kindOf(version) !== "tensors")
    return `${name} is no model of tensors, and only those share a model host`;
  if (state !== "ready") return `${name} has not passed its check: it is ${state}`;
  if (bytes > MAX_SHARED_MODEL_BYTES)
    return `${name} has ${Math.ceil(bytes / MIB)} MiB, and a model that shares a host may have ${MAX_SHARED_MODEL_BYTES / MIB}`;
  return whyLimitsNeedOwnHost(spec);
}

/** What a deployment asks for that only a process of its own can be held to. */
function whyLimitsNeedOwnHost({ limits, rollout }: DeploymentSpec): string | undefined {
  if (limits.memMiB !== undefined) return "only a model host of its own is held to `limits.memMiB`: leave that out";
  if (limits.timeoutMs < SHARED_RUN_MS)
    return `in a shared host a run is stopped after ${SHARED_RUN_MS} ms, and \`limits.timeoutMs\` is ${limits.timeoutMs}`;
  if (rollout?.gate.maxMemoryRatio !== undefined)
    return "the memory of a model in a shared host is no figure for `rollout.gate.maxMemoryRatio`: leave that out";
  return undefined;
}
