import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import { ApiFailure } from "../../api/failure.ts";
import type { Model, ModelVersion } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { bytesText } from "../../core/text/units.ts";
import { AgeOf } from "../../ui/age.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Empty } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";
import { DeployDialog } from "../deployments/deploy-dialog.tsx";
import { MoveAlias } from "./move-alias.tsx";
import { readPages } from "./read-pages.ts";
import { UploadDrop } from "./upload-drop.tsx";
import { VersionPanel } from "./version-panel.tsx";

interface Whole {
  readonly model: Model;
  /** The newest first. */
  readonly versions: readonly ModelVersion[];
}

async function readModel(name: string): Promise<Whole> {
  const [model, versions] = await Promise.all([
    bodyOf(api.GET("/api/v1/models/{model}", { params: { path: { model: name } } })),
    readPages((cursor) =>
      bodyOf(
        api.GET("/api/v1/models/{model}/versions", {
          params: { path: { model: name }, query: { limit: 500, ...(cursor && { cursor }) } },
        }),
      ),
    ),
  ]);
  return { model, versions: versions.toSorted((a, b) => b.version - a.version) };
}

/** One model: its versions, and of one of them what it takes and gives, what differs from another, and where it runs. */
export function ModelPage() {
  const { model: name } = useParams({ from: "/models/$model" });
  const query = useQuery({ queryKey: ["models", name], queryFn: () => readModel(name), refetchInterval: 5_000 });
  if (query.data === undefined && query.error instanceof ApiFailure && query.error.status === 404)
    return (
      <Empty title={`There is no model ${name}`}>
        <Link to="/models">All models</Link>
      </Empty>
    );
  return <QueryState query={query}>{(whole) => <OneModel whole={whole} />}</QueryState>;
}

function OneModel({ whole: { model, versions } }: { readonly whole: Whole }) {
  const { version, against } = useSearch({ from: "/models/$model" });
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const [isDeploying, setDeploying] = useState(false);
  const chosen = versions.find((each) => each.version === version) ?? versions[0];
  return (
    <>
      <PageHead
        title={model.name}
        sentence={
          Object.keys(model.aliases).length === 0
            ? "No alias names a version of it."
            : Object.entries(model.aliases)
                .map(([alias, number]) => `${alias} is version ${number}`)
                .join(", ")
        }
      >
        <Link className="button" to="/playground" search={{ model: model.name }}>
          Try it
        </Link>
        {mayOperate && versions.some(({ state }) => state === "ready") && (
          <button type="button" onClick={() => setDeploying(true)}>
            Deploy
          </button>
        )}
      </PageHead>
      {isDeploying && (
        <DeployDialog
          model={model.name}
          version={chosen?.state === "ready" ? chosen.version : undefined}
          onClose={() => setDeploying(false)}
        />
      )}
      {mayOperate && <UploadDrop model={model.name} />}
      {chosen === undefined ? (
        <Empty title="It has no version yet" />
      ) : (
        <>
          <Section title="Versions">
            <VersionTable
              model={model}
              versions={versions}
              chosen={chosen.version}
              onChoose={(to) =>
                void navigate({
                  to: "/models/$model",
                  params: { model: model.name },
                  search: { version: to },
                  replace: true,
                })
              }
            />
          </Section>
          <VersionPanel
            version={chosen}
            others={versions.filter((each) => each.version !== chosen.version && each.state === "ready")}
            against={against}
            onAgainst={(to) =>
              void navigate({
                to: "/models/$model",
                params: { model: model.name },
                search: { version: chosen.version, ...(to !== undefined && { against: to }) },
                replace: true,
              })
            }
          />
        </>
      )}
    </>
  );
}

function VersionTable({
  model,
  versions,
  chosen,
  onChoose,
}: {
  readonly model: Model;
  readonly versions: readonly ModelVersion[];
  readonly chosen: number;
  readonly onChoose: (version: number) => void;
}) {
  const mayOperate = useMayOperate();
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">State</th>
            <th scope="col">Aliases</th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col">Format</th>
            <th scope="col">Published</th>
            {mayOperate && <th scope="col">Change</th>}
          </tr>
        </thead>
        <tbody>
          {versions.map((each) => (
            <tr key={each.version} aria-current={each.version === chosen ? "true" : undefined}>
              <th scope="row">
                <button
                  type="button"
                  className="toggle"
                  aria-pressed={each.version === chosen}
                  onClick={() => onChoose(each.version)}
                >
                  {each.version}
                </button>
              </th>
              <td>
                <Status tone={toneOf(each)}>{each.state}</Status>
                {each.reason !== null && <p className="faint">{each.reason}</p>}
                {each.damage !== null && <p className="faint">{each.damage}</p>}
              </td>
              <td>
                <span className="chips">
                  {Object.entries(model.aliases)
                    .filter(([, number]) => number === each.version)
                    .map(([alias]) => (
                      <code key={alias} className="chip good">
                        {alias}
                      </code>
                    ))}
                </span>
              </td>
              <td className="number">{bytesText(each.bytes)}</td>
              <td>
                {each.format}
                {each.opset !== null && <span className="faint"> opset {each.opset}</span>}
              </td>
              <td>
                <AgeOf instant={each.createdAt} />
              </td>
              {mayOperate && <td>{each.state === "ready" && <MoveAlias model={model} version={each.version} />}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function toneOf({ state, damage }: ModelVersion): "good" | "busy" | "bad" | "idle" {
  if (damage !== null || state === "rejected") return "bad";
  if (state === "ready") return "good";
  return state === "archived" ? "idle" : "busy";
}
