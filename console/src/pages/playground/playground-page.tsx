import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useId } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment, ModelVersion } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { useDeployments } from "../../live/lists.ts";
import { NothingDeployed } from "../../ui/nothing-yet.tsx";
import { PageHead } from "../../ui/page.tsx";
import { LiveState, QueryState } from "../../ui/query-state.tsx";
import { Empty } from "../../ui/states.tsx";
import { Chat } from "./chat.tsx";
import { Embeddings } from "./embeddings.tsx";
import { NodeChoice } from "./node-choice.tsx";
import { Tensors } from "./tensors.tsx";

/** Any deployed model, asked by hand: which node answers, why that one, and where the time goes. */
export function PlaygroundPage() {
  const deployments = useDeployments();
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead title="Playground" sentence="Ask a model, and see which node answers and where the time goes." />
      <LiveState list={deployments}>
        {({ rows }) =>
          rows.length === 0 ? (
            <NothingDeployed mayOperate={mayOperate} />
          ) : (
            <Choice deployments={rows.map(({ item }) => item)} />
          )
        }
      </LiveState>
    </>
  );
}

function Choice({ deployments }: { readonly deployments: readonly Deployment[] }) {
  const { model: wanted, node } = useSearch({ from: "/playground" });
  const navigate = useNavigate();
  const id = useId();
  const models = [...new Set(deployments.map(({ spec }) => spec.model))].toSorted();
  const model = wanted !== undefined && models.includes(wanted) ? wanted : models[0];
  const chosen = deployments.find(({ spec, status }) => spec.model === model && status.activeVersion !== null);
  const go = (search: { readonly model?: string | undefined; readonly node?: string | undefined }): void =>
    void navigate({
      to: "/playground",
      search: {
        ...(search.model !== undefined && { model: search.model }),
        ...(search.node !== undefined && { node: search.node }),
      },
      replace: true,
    });
  if (model === undefined) return null;
  return (
    <>
      <div className="controls">
        <label className="field inline" htmlFor={id}>
          <span>Model</span>
          <select id={id} value={model} onChange={(event) => go({ model: event.target.value })}>
            {models.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <NodeChoice model={model} node={node} onChange={(to) => go({ model, node: to })} />
      </div>
      {wanted !== undefined && wanted !== model && <p className="note warn">The model {wanted} is not deployed.</p>}
      {chosen?.status.activeVersion == null ? (
        <Empty title={`${model} serves nothing yet`}>
          <Link to="/deployments">Deployments</Link>
        </Empty>
      ) : (
        <Asked key={model} model={model} version={chosen.status.activeVersion} deployment={chosen.name} node={node} />
      )}
    </>
  );
}

function Asked({
  model,
  version,
  deployment,
  node,
}: {
  readonly model: string;
  readonly version: number;
  readonly deployment: string;
  readonly node: string | undefined;
}) {
  const query = useQuery({
    queryKey: ["playground", model, version],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/models/{model}/versions/{version}", { params: { path: { model, version: String(version) } } }),
      ),
  });
  return (
    <QueryState query={query}>
      {(of) => {
        switch (kindOf(of)) {
          case "text":
            return <Chat model={model} node={node} />;
          case "embeddings":
            return <Embeddings model={model} node={node} />;
          case "tensors":
            return <Tensors version={of} node={node} deployment={deployment} />;
        }
      }}
    </QueryState>
  );
}

const kindOf = ({ engine, text, encoder }: ModelVersion): "text" | "embeddings" | "tensors" =>
  engine?.kind ?? (text ? "text" : encoder ? "embeddings" : "tensors");
