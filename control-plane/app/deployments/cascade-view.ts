import { cascadeRules, type CascadeSpec } from "../../../shared/api/v1/cascade-spec.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments.ts";
import type { ExplainResponse } from "../../../shared/api/v1/explain.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { isServing, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { CascadeState } from "../inference/cascades.ts";

type View = NonNullable<ExplainResponse["cascade"]>;

/** A cascade as `explain` shows it: its rules, where the large model is ready, and what this control plane counted. */
export function cascadeView(
  fleet: Fleet,
  spec: CascadeSpec,
  { state, ...time }: { readonly state: CascadeState; readonly now: number; readonly timings: NodeTimings },
): View {
  const large = fleet.deployments.get(spec.to);
  const serving = placementsOfDeployment(fleet, spec.to).filter((placement) => isServing(fleet, placement, time));
  const count = (kind: "edge" | "cloud"): number =>
    serving.filter(({ nodeId }) => fleet.nodes.get(nodeId)?.kind === kind).length;
  const ready = { edge: count("edge"), cloud: count("cloud") };
  const where =
    large === undefined
      ? "there is no such deployment"
      : `it is ready on ${ready.edge} edge and ${ready.cloud} cloud nodes`;
  return {
    to: spec.to,
    model: large?.spec.model ?? null,
    ready,
    breaker: state.breaker,
    leftBytes: state.leftBytes ?? null,
    sentence: `${spec.to} answers ${cascadeRules(spec).join(", or ")}; ${where}`,
  };
}

/** Throws `INVALID_REQUEST` for a cascade of a model that can have none: nothing of it would ever be done. */
export function refuseCascade(fleet: Fleet, { model, cascade }: DeploymentSpec): void {
  if (cascade === undefined) return;
  const ready = [...fleet.versions.values()].filter((each) => each.model === model && each.state === "ready");
  if (ready.length === 0) return;
  if (ready.every((version) => kindOf(version) !== "text"))
    throw new SkerryError("INVALID_REQUEST", `\`cascade\` is for models that write text, and ${model} writes none`);
  if (cascade.when.doubt !== undefined && ready.every(({ engine }) => engine !== undefined))
    throw new SkerryError(
      "INVALID_REQUEST",
      `\`cascade.when.doubt\` cannot be measured: an engine executes ${model}, and only model hosts of nodes measure doubt`,
    );
}
