import type { ExplainRecord } from "../../../shared/api/v1/explain.ts";
import type { FleetPlacement } from "../fleet/types.ts";

/** What the leader does to the rows of placements. Imperative; each one is carried out by one entry of the executor's table. */
export type Step =
  | {
      readonly kind: "create-placement";
      readonly deployment: string;
      readonly deploymentGeneration: number;
      readonly model: string;
      readonly version: number;
      readonly nodeId: FleetPlacement["nodeId"];
      readonly node: string;
      readonly record: ExplainRecord;
    }
  | { readonly kind: "retry-placement"; readonly placement: FleetPlacement; readonly node: string }
  | {
      readonly kind: "retire-placement";
      readonly placement: FleetPlacement;
      readonly node: string;
      readonly why: string;
    }
  | { readonly kind: "forget-placement"; readonly placement: FleetPlacement; readonly node: string };

/** A plan in English, for tests and logs. */
export const describePlan = (steps: readonly Step[]): readonly string[] => steps.map(describeStep);

function describeStep(step: Step): string {
  switch (step.kind) {
    case "create-placement":
      return `place ${step.model}:${step.version} on ${step.node}`;
    case "retry-placement":
      return `retry ${nameOf(step.placement)} on ${step.node}`;
    case "retire-placement":
      return `retire ${nameOf(step.placement)} from ${step.node}: ${step.why}`;
    case "forget-placement":
      return `forget ${nameOf(step.placement)} on ${step.node}`;
  }
}

const nameOf = ({ model, version }: FleetPlacement): string => `${model}:${version}`;
