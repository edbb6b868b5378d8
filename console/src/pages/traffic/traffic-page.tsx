import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Traffic } from "../../api/types.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { rateText, topOf, type TrafficPoint, withPoint } from "../../core/traffic-history.ts";
import { msText } from "../../core/text/units.ts";
import { useDeployments } from "../../live/lists.ts";
import { PageHead } from "../../ui/page.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { Sparkline } from "../../ui/status.tsx";

const EVERY_MS = 2_000;

export type TrafficView = "deployments" | "nodes" | "pairs";
const VIEWS: readonly { readonly view: TrafficView; readonly name: string }[] = [
  { view: "deployments", name: "By deployment" },
  { view: "nodes", name: "By node" },
  { view: "pairs", name: "Deployment on node" },
];

/** Since this page was first shown: the control plane keeps a minute. */
let history: readonly TrafficPoint[] = [];

async function readTraffic(): Promise<Traffic> {
  const traffic = await bodyOf(api.GET("/api/v1/traffic"));
  const { ratePerS, errorsPerS, p95Ms, tokensPerS } = traffic.total;
  history = withPoint(history, { ratePerS, errorsPerS, p95Ms: p95Ms ?? 0, tokensPerS });
  return traffic;
}

/** What the fleet answers now: rate, errors, latency and tokens, by deployment and node. */
export function TrafficPage() {
  const traffic = useQuery({ queryKey: ["traffic"], queryFn: readTraffic, refetchInterval: EVERY_MS });
  const { q = "", view = "deployments" } = useSearch({ from: "/traffic" });
  const navigate = useNavigate();
  const go = (search: { readonly q?: string; readonly view?: TrafficView }): void =>
    void navigate({
      to: "/traffic",
      search: { ...(search.q && { q: search.q }), ...(search.view !== "deployments" && { view: search.view }) },
      replace: true,
    });
  return (
    <>
      <PageHead
        title="Traffic"
        sentence="Requests that came to this replica of the control plane in the last minute; asked for every 2 s."
      >
        <Search label="Search traffic" value={q} onChange={(value) => go({ q: value, view })} />
      </PageHead>
      <QueryState query={traffic}>
        {(data) => (
          <>
            <Totals traffic={data} />
            <div className="controls rows-choice">
              <div role="group" aria-label="Rows">
                {VIEWS.map((each) => (
                  <button
                    key={each.view}
                    type="button"
                    className="toggle"
                    aria-pressed={each.view === view}
                    onClick={() => go({ q, view: each.view })}
                  >
                    {each.name}
                  </button>
                ))}
              </div>
            </div>
            <Rows traffic={data} view={view} filter={q} />
          </>
        )}
      </QueryState>
    </>
  );
}

function Totals({ traffic: { total } }: { readonly traffic: Traffic }) {
  const values = (of: keyof TrafficPoint): readonly number[] => history.map((point) => point[of]);
  return (
    <div className="cards traffic-cards">
      <Total title="Requests" text={`${rateText(total.ratePerS)} a second`} values={values("ratePerS")} />
      <Total title="Errors" text={`${rateText(total.errorsPerS)} a second`} values={values("errorsPerS")} />
      <Total title="p95" text={total.p95Ms === null ? "–" : msText(total.p95Ms)} values={values("p95Ms")} />
      <Total title="Tokens" text={`${rateText(total.tokensPerS)} a second`} values={values("tokensPerS")} />
    </div>
  );
}

const Total = ({
  title,
  text,
  values,
}: {
  readonly title: string;
  readonly text: string;
  readonly values: readonly number[];
}) => (
  <div className="card">
    <h3>{title}</h3>
    <p className="figure">{text}</p>
    <Sparkline values={values} most={topOf(values)} label={`${title} since this page was opened`} />
  </div>
);

type Figures = Traffic["total"];
interface Row {
  readonly key: string;
  readonly names: readonly (string | null)[];
  readonly cells: ReactNode;
  readonly deployment: string | null;
  readonly figures: Figures;
}

function Rows({
  traffic,
  view,
  filter,
}: {
  readonly traffic: Traffic;
  readonly view: TrafficView;
  readonly filter: string;
}) {
  const deployments = useDeployments();
  const rows = rowsOf(traffic, view);
  const shown = rows
    .filter(({ names }) =>
      matchesWords(
        filter,
        names.flatMap((name) => name ?? []),
      ),
    )
    .toSorted((a, b) => b.figures.ratePerS - a.figures.ratePerS);
  if (rows.length === 0)
    return (
      <Empty title="No request came in the last minute">
        <p>
          Send one from the <Link to="/playground">playground</Link>, or many with <code>skerry bench NAME</code>.
        </p>
      </Empty>
    );
  if (shown.length === 0) return <Empty title={`Nothing matches “${filter}”`} />;
  const promiseOf = (name: string | null): number | undefined =>
    name === null ? undefined : deployments.byName.get(name)?.item.spec.slo?.p95Ms;
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            {view !== "nodes" && <th scope="col">Deployment</th>}
            {view !== "deployments" && <th scope="col">Node</th>}
            <th scope="col" className="number">
              Requests/s
            </th>
            <th scope="col" className="number">
              Errors/s
            </th>
            <th scope="col" className="number">
              p50
            </th>
            <th scope="col" className="number">
              p95
            </th>
            <th scope="col" className="number">
              p99
            </th>
            <th scope="col" className="number">
              Tokens/s
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ key, cells, deployment, figures }) => (
            <tr key={key}>
              {cells}
              <FigureCells figures={figures} promisedMs={view === "nodes" ? undefined : promiseOf(deployment)} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FigureCells({ figures, promisedMs }: { readonly figures: Figures; readonly promisedMs: number | undefined }) {
  const { ratePerS, errorsPerS, p50Ms, p95Ms, p99Ms, tokensPerS } = figures;
  const isLate = promisedMs !== undefined && p95Ms !== null && p95Ms > promisedMs;
  return (
    <>
      <td className="number">{rateText(ratePerS)}</td>
      <td className={errorsPerS > 0 ? "number bad" : "number"}>{rateText(errorsPerS)}</td>
      <td className="number">{timeText(p50Ms)}</td>
      <td className={isLate ? "number bad" : "number"}>
        {timeText(p95Ms)}
        {promisedMs !== undefined && <span className="faint"> of {msText(promisedMs)}</span>}
      </td>
      <td className="number">{timeText(p99Ms)}</td>
      <td className="number">{tokensPerS > 0 ? rateText(tokensPerS) : "–"}</td>
    </>
  );
}

const timeText = (ms: number | null): string => (ms === null ? "–" : msText(ms));

function rowsOf({ deployments, nodes, pairs }: Traffic, view: TrafficView): readonly Row[] {
  switch (view) {
    case "deployments":
      return deployments.map(({ deployment, model, ...figures }) => ({
        key: `${deployment} ${model}`,
        names: [deployment, model],
        deployment,
        figures,
        cells: <DeploymentCell deployment={deployment} model={model} />,
      }));
    case "nodes":
      return nodes.map(({ node, ...figures }) => ({
        key: String(node),
        names: [node],
        deployment: null,
        figures,
        cells: <NodeCell node={node} />,
      }));
    case "pairs":
      return pairs.map(({ deployment, model, node, ...figures }) => ({
        key: `${deployment} ${model} ${node}`,
        names: [deployment, model, node],
        deployment,
        figures,
        cells: (
          <>
            <DeploymentCell deployment={deployment} model={model} />
            <NodeCell node={node} />
          </>
        ),
      }));
  }
}

const DeploymentCell = ({ deployment, model }: { readonly deployment: string | null; readonly model: string }) => (
  <th scope="row">
    {deployment === null ? (
      <span className="faint">none, for the model {model}</span>
    ) : (
      <Link to="/deployments/$deployment" params={{ deployment }}>
        {deployment}
      </Link>
    )}
  </th>
);

const NodeCell = ({ node }: { readonly node: string | null }) => (
  <td>
    {node === null ? (
      <span className="faint">no node was asked</span>
    ) : (
      <Link to="/nodes/$node" params={{ node }}>
        {node}
      </Link>
    )}
  </td>
);
