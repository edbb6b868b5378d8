import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { AUTO } from "../../core/variants.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { declare, readDeclared } from "./declared.ts";

/** Names of the variants of the version that a deployment brings or has; empty: it has one graph, or is not known yet. */
export function useVariantNames({ spec: { model }, status }: Deployment): readonly string[] {
  const version = status.targetVersion ?? status.activeVersion;
  const query = useQuery({
    queryKey: ["models", model, "version", version],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/models/{model}/versions/{version}", {
          params: { path: { model, version: String(version) } },
        }),
      ),
    enabled: version !== null,
    // A version never changes once it is there.
    staleTime: Infinity,
    retry: false,
  });
  return query.data?.variants.map(({ name }) => name) ?? [];
}

/** Which variant its nodes get, and for operators another choice. Nothing where the version has one graph and none is pinned. */
export function VariantChoice({ deployment }: { readonly deployment: Deployment }) {
  const mayOperate = useMayOperate();
  const names = useVariantNames(deployment);
  const pinned = deployment.spec.variant ?? AUTO;
  if (names.length === 0 && pinned === AUTO) return null;
  return (
    <div className="controls">
      <span>
        {pinned === AUTO ? (
          "Variant: each node gets what fits it and is quick there."
        ) : (
          <>
            Variant: <code className="chip">{pinned}</code> on every node.
          </>
        )}
      </span>
      {mayOperate && !deployment.managedBy && <Change deployment={deployment} names={names} pinned={pinned} />}
    </div>
  );
}

function Change({
  deployment: { name },
  names,
  pinned,
}: {
  readonly deployment: Deployment;
  readonly names: readonly string[];
  readonly pinned: string;
}) {
  const [variant, setVariant] = useState(pinned);
  const id = useId();
  const change = async (): Promise<void> => {
    // What is declared now, not what the page shows.
    const { spec, condition } = await readDeclared(name);
    await declare({ ...spec, variant }, condition);
  };
  return (
    <ConfirmButton
      label="Change variant"
      title={`Which variant the nodes of ${name} get`}
      confirm="Apply"
      run={change}
      onOpen={() => setVariant(pinned)}
    >
      <label className="field" htmlFor={id}>
        <span>Variant</span>
        <select id={id} value={variant} onChange={(event) => setVariant(event.target.value)}>
          <option value={AUTO}>auto: what fits a node and is quick there</option>
          {[...new Set([...names, ...(pinned === AUTO ? [] : [pinned])])].map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      <p>
        On each node the new one comes beside the old one, which leaves when the new one answers. Callers notice
        nothing.
      </p>
    </ConfirmButton>
  );
}
