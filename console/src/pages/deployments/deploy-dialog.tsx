import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import type { Deployment } from "../../api/types.ts";
import { type DeployForm, formOf, newForm, problemOf, specOf } from "../../core/deployments/deploy-form.ts";
import { useDeployments } from "../../live/lists.ts";
import { CopyText } from "../../ui/copy.tsx";
import { Panel } from "../../ui/dialog.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Complaint } from "../../ui/states.tsx";
import { type Condition, declare, readDeclared } from "./declared.ts";
import { DeployFields } from "./deploy-fields.tsx";
import { PlanPreview } from "./plan-preview.tsx";

type Spec = Deployment["spec"];

/** Declares where a model serves. `version`: of one model, of which that version is proposed. */
export function DeployDialog({
  model,
  version,
  onClose,
}: {
  readonly model?: string | undefined;
  readonly version?: number | undefined;
  readonly onClose: () => void;
}) {
  const deployments = useDeployments();
  const taken = new Set(deployments.rows.map(({ item }) => item.name));
  return (
    <Panel title={model === undefined ? "Deploy a model" : `Deploy ${model}`} isOpen onClose={onClose}>
      {deployments.isWhole && (
        <Form
          initial={newForm(model ?? "", version === undefined ? "" : String(version), taken)}
          taken={taken}
          condition={{ "If-None-Match": "*" }}
          verb="Deploy"
          onClose={onClose}
        />
      )}
    </Panel>
  );
}

/** Changes what a deployment declares: as it was when the dialog opened, and refused when it has been changed since. */
export function ChangeDialog({ deployment, onClose }: { readonly deployment: string; readonly onClose: () => void }) {
  const query = useQuery({
    queryKey: ["deployment to change", deployment],
    queryFn: () => readDeclared(deployment),
    gcTime: 0,
    staleTime: Infinity,
  });
  return (
    <Panel title={`Change ${deployment}`} isOpen onClose={onClose}>
      <QueryState query={query}>
        {({ spec, condition }) => (
          <Form initial={formOf(spec)} base={spec} condition={condition} verb="Change" onClose={onClose} />
        )}
      </QueryState>
    </Panel>
  );
}

const NONE: ReadonlySet<string> = new Set();

function Form({
  initial,
  base,
  taken = NONE,
  condition,
  verb,
  onClose,
}: {
  readonly initial: DeployForm;
  readonly base?: Spec | undefined;
  readonly taken?: ReadonlySet<string>;
  /** What the deployment must be still. */
  readonly condition: Condition;
  readonly verb: string;
  readonly onClose: () => void;
}) {
  const [form, setForm] = useState(initial);
  const navigate = useNavigate();
  const problem = problemOf(form) ?? (taken.has(form.name) ? `There is a deployment ${form.name} already.` : undefined);
  const spec = problem === undefined ? specOf<Spec>(form, base) : undefined;
  const declaring = useMutation({
    mutationFn: (declared: Spec) => declare(declared, condition),
    onSuccess: ({ name }) => {
      onClose();
      void navigate({ to: "/deployments/$deployment", params: { deployment: name } });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (spec !== undefined) declaring.mutate(spec);
      }}
    >
      <DeployFields form={form} onChange={setForm} isNew={base === undefined} isModelFixed={initial.model !== ""} />
      <PlanPreview spec={spec} problem={problem} />
      {spec !== undefined && <AsFile spec={spec} />}
      {declaring.isError && <Complaint error={declaring.error} />}
      <div className="actions">
        <button type="button" className="quiet" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={spec === undefined || declaring.isPending}>
          {verb}
        </button>
      </div>
    </form>
  );
}

const AsFile = ({ spec }: { readonly spec: Spec }): ReactNode => (
  <details>
    <summary>As a file</summary>
    <CopyText label="File of the deployment" text={JSON.stringify(spec, null, 2)} />
    <p className="faint">
      <code>skerry apply -f {spec.name}.json</code> declares the same. A file takes more: rollouts, limits, cascades,
      streams.
    </p>
  </details>
);
