import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment, Node, Plan } from "../../api/types.ts";
import {
  changesSpec,
  isNothing,
  nodeChanges,
  NOTHING,
  type WhatIfChoice,
  withMin,
} from "../../core/deployments/what-if.ts";
import { AUTO } from "../../core/variants.ts";
import { PlanShown } from "../../ui/plan-shown.tsx";
import { Complaint } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";
import { useVariantNames } from "../deployments/variant-choice.tsx";

const CHOICES = ["cordon", "drain", "remove"] as const;

/** Toggles that ask the planner what would happen. Nothing is changed. */
export function WhatIf({ deployment, nodes }: { readonly deployment: Deployment; readonly nodes: readonly Node[] }) {
  const [choice, setChoice] = useState<WhatIfChoice>(NOTHING);
  const [picked, setPicked] = useState("");
  const planning = useMutation({ mutationFn: (asked: WhatIfChoice) => plan(deployment, nodes, asked) });
  const choose = (next: WhatIfChoice): void => {
    setChoice(next);
    if (isNothing(next)) planning.reset();
    else planning.mutate(next);
  };
  const toggle = (name: string, what: (typeof CHOICES)[number]): void => {
    const changed = new Map(choice.nodes);
    if (changed.get(name) === what) changed.delete(name);
    else changed.set(name, what);
    choose({ ...choice, nodes: changed });
  };
  const { edge, cloud } = deployment.spec.placement;
  const variants = useVariantNames(deployment);
  const pinned = deployment.spec.variant ?? AUTO;
  const holders = nodes.filter(({ placements }) => placements.some((each) => each.deployment === deployment.name));
  const shown = nodes.filter(
    ({ name }) => holders.some((each) => each.name === name) || choice.nodes.has(name) || name === picked,
  );
  return (
    <div className="what-if">
      <div className="toggles">
        {(["edge", "cloud"] as const).map((kind) => {
          const min = kind === "edge" ? choice.edgeMin : choice.cloudMin;
          const declared = kind === "edge" ? edge.min : cloud.min;
          return (
            <label key={kind} className="field inline">
              <span>Least {kind} replicas</span>
              <input
                type="number"
                min={0}
                max={10_000}
                value={min ?? declared}
                onChange={({ target }) => {
                  const value = Number(target.value);
                  const next = value === declared ? undefined : value;
                  choose(kind === "edge" ? { ...choice, edgeMin: next } : { ...choice, cloudMin: next });
                }}
              />
            </label>
          );
        })}
        {variants.length > 0 && (
          <label className="field inline">
            <span>Variant</span>
            <select
              value={choice.variant ?? pinned}
              onChange={({ target }) =>
                choose({ ...choice, variant: target.value === pinned ? undefined : target.value })
              }
            >
              {[AUTO, ...variants].map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <label className="field inline">
          <span>Join nodes like</span>
          <select
            value={choice.added?.like ?? ""}
            onChange={({ target }) =>
              choose({ ...choice, added: target.value === "" ? undefined : { like: target.value, count: 1 } })
            }
          >
            <option value="">none</option>
            {nodes.slice(0, 500).map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="field inline">
          <span>Also show node</span>
          <select value={picked} onChange={({ target }) => setPicked(target.value)}>
            <option value="">–</option>
            {nodes.slice(0, 500).map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      <ul className="toggle-list">
        {shown.slice(0, 50).map(({ name }) => (
          <li key={name}>
            <span>{name}</span>
            <span role="group" aria-label={`What if ${name}`}>
              {CHOICES.map((what) => (
                <button
                  key={what}
                  type="button"
                  aria-pressed={choice.nodes.get(name) === what}
                  className="toggle"
                  onClick={() => toggle(name, what)}
                >
                  {what}
                </button>
              ))}
            </span>
          </li>
        ))}
      </ul>
      {!isNothing(choice) && (
        <button type="button" className="quiet" onClick={() => choose(NOTHING)}>
          Nothing of this
        </button>
      )}
      <div role="status" className="plan">
        {planning.isPending && <Status tone="busy">Planning …</Status>}
        {planning.isError && <Complaint error={planning.error} />}
        {planning.data && !planning.isPending && <PlanShown plan={planning.data} deployment={deployment.name} />}
        {planning.isIdle && (
          <p className="faint">Choose something: the planner says what would happen. Nothing is changed.</p>
        )}
      </div>
    </div>
  );
}

function plan(deployment: Deployment, nodes: readonly Node[], choice: WhatIfChoice): Promise<Plan> {
  const { spec } = deployment;
  const placement = {
    ...spec.placement,
    edge: withMin(spec.placement.edge, choice.edgeMin),
    cloud: withMin(spec.placement.cloud, choice.cloudMin),
  };
  const changed = { ...spec, placement, ...(choice.variant !== undefined && { variant: choice.variant }) };
  return bodyOf(
    api.POST("/api/v1/plan", {
      body: {
        deployments: { apply: changesSpec(choice) ? [changed] : [], remove: [] },
        nodes: nodeChanges(choice, new Set(nodes.map(({ name }) => name))),
      },
    }),
  );
}
