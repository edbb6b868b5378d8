import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { api, bodyOf } from "../../api/client.ts";
import type { Model } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { countOf } from "../../core/text/units.ts";
import { useDeployments } from "../../live/lists.ts";
import { AgeOf } from "../../ui/age.tsx";
import { NoModels } from "../../ui/nothing-yet.tsx";
import { PageHead } from "../../ui/page.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { readPages } from "./read-pages.ts";
import { UploadDrop } from "./upload-drop.tsx";

/** All models, and where a file becomes one. */
export function ModelsPage() {
  const models = useQuery({
    queryKey: ["models"],
    queryFn: () =>
      readPages((cursor) =>
        bodyOf(api.GET("/api/v1/models", { params: { query: { limit: 500, ...(cursor && { cursor }) } } })),
      ),
    refetchInterval: 5_000,
  });
  const { q = "" } = useSearch({ from: "/models" });
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead title="Models" sentence={models.data && `${countOf(models.data.length, "model")}; asked for every 5 s`}>
        <Search
          label="Search models"
          value={q}
          onChange={(value) =>
            void navigate({ to: "/models", search: value === "" ? {} : { q: value }, replace: true })
          }
        />
      </PageHead>
      {mayOperate && <UploadDrop />}
      <QueryState query={models}>{(items) => <ModelTable models={items} filter={q} />}</QueryState>
    </>
  );
}

function ModelTable({ models, filter }: { readonly models: readonly Model[]; readonly filter: string }) {
  const deployments = useDeployments();
  const mayOperate = useMayOperate();
  const users = Map.groupBy(
    deployments.rows.map(({ item }) => item),
    ({ spec }) => spec.model,
  );
  const shown = models.filter(({ name, labels, aliases }) =>
    matchesWords(filter, [name, ...Object.entries(labels).flat(), ...Object.keys(aliases)]),
  );
  if (models.length === 0) return <NoModels mayOperate={mayOperate} />;
  if (shown.length === 0) return <Empty title={`No model matches “${filter}”`} />;
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" className="number">
              Newest
            </th>
            <th scope="col">Aliases</th>
            <th scope="col">Deployed by</th>
            <th scope="col">Labels</th>
            <th scope="col">Created</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((model) => (
            <tr key={model.name}>
              <th scope="row">
                <Link to="/models/$model" params={{ model: model.name }}>
                  {model.name}
                </Link>
              </th>
              <td className="number">{model.latestVersion ?? "–"}</td>
              <td>
                <Pairs of={model.aliases} />
              </td>
              <td>
                <span className="chips">
                  {(users.get(model.name) ?? []).map(({ name }) => (
                    <Link key={name} to="/deployments/$deployment" params={{ deployment: name }}>
                      {name}
                    </Link>
                  ))}
                </span>
              </td>
              <td>
                <Pairs of={model.labels} />
              </td>
              <td>
                <AgeOf instant={model.createdAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const Pairs = ({ of }: { readonly of: Readonly<Record<string, string | number>> }) => (
  <span className="chips">
    {Object.entries(of).map(([name, value]) => (
      <code key={name} className="chip">
        {name}={value}
      </code>
    ))}
  </span>
);
