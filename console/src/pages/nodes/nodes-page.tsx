import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Node } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { stateOfNode, toneOfNode } from "../../core/fleet/tone.ts";
import { countOf, mebibytesText, msText } from "../../core/text/units.ts";
import { versionText } from "../../core/variants.ts";
import { useNodes } from "../../live/lists.ts";
import { cpuHistory, useLoads, type NodeLoad } from "../../live/loads.ts";
import type { Received } from "../../core/fleet/watched-list.ts";
import { Age } from "../../ui/age.tsx";
import { NoNodes } from "../../ui/nothing-yet.tsx";
import { PageHead } from "../../ui/page.tsx";
import { Pager } from "../../ui/pager.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { Sparkline, Status } from "../../ui/status.tsx";
import { DrainLine } from "./drain-progress.tsx";
import { JoinDialog } from "./join-dialog.tsx";
import { WaitingRoom } from "./waiting-room.tsx";

const PER_PAGE = 50;

/** All nodes: state with its age, what each holds, and its load. */
export function NodesPage() {
  const nodes = useNodes();
  const { q = "" } = useSearch({ from: "/nodes" });
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const [isJoining, setJoining] = useState(false);
  return (
    <>
      <PageHead title="Nodes" sentence={nodes.isWhole ? summary(nodes.rows) : undefined}>
        <Search
          label="Search nodes"
          value={q}
          onChange={(value) => void navigate({ to: "/nodes", search: value === "" ? {} : { q: value }, replace: true })}
        />
        {mayOperate && (
          <button type="button" className="primary" onClick={() => setJoining(true)}>
            Join a node
          </button>
        )}
      </PageHead>
      <LiveState list={nodes}>
        {({ rows }) => (
          <>
            <WaitingRoom nodes={rows.map(({ item }) => item)} />
            <NodeTable rows={rows} filter={q} />
          </>
        )}
      </LiveState>
      {isJoining && <JoinDialog onClose={() => setJoining(false)} />}
    </>
  );
}

function summary(rows: readonly Received<Node>[]): string {
  const connected = rows.filter(({ item }) => item.state === "ready").length;
  const sites = new Set(rows.map(({ item }) => item.site)).size;
  return `${connected} of ${countOf(rows.length, "node")} connected, at ${countOf(sites, "site")}`;
}

function NodeTable({ rows, filter }: { readonly rows: readonly Received<Node>[]; readonly filter: string }) {
  const [page, setPage] = useState(0);
  const mayOperate = useMayOperate();
  const matching = rows.filter(({ item }) => matchesWords(filter, textsOf(item)));
  const first = Math.min(page, Math.max(0, Math.ceil(matching.length / PER_PAGE) - 1)) * PER_PAGE;
  const shown = matching.slice(first, first + PER_PAGE);
  const loads = useLoads(shown.map(({ item }) => item.name));
  if (rows.length === 0) return <NoNodes mayOperate={mayOperate} />;
  if (matching.length === 0) return <Empty title={`No node matches “${filter}”`} />;
  return (
    <>
      <div className="table dense stacks">
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col">Heard</th>
              <th scope="col">Place</th>
              <th scope="col">Holds</th>
              <th scope="col" className="spark-head">
                CPU
              </th>
              <th scope="col" className="number">
                Memory free
              </th>
              <th scope="col" className="number">
                Round trip
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ item, at }) => (
              <NodeRow key={item.name} node={item} at={at} load={loads.get(item.name)} />
            ))}
          </tbody>
        </table>
      </div>
      <Pager first={first} perPage={PER_PAGE} count={matching.length} onPage={setPage} />
    </>
  );
}

const textsOf = ({ name, site, zone, kind, state, labels, placements }: Node): readonly string[] => [
  name,
  site,
  zone,
  kind,
  state,
  ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
  ...placements.map(({ model, version }) => `${model}:${version}`),
];

function NodeRow({
  node,
  at,
  load,
}: {
  readonly node: Node;
  readonly at: number;
  readonly load: NodeLoad | undefined;
}) {
  const heardAt = load?.heardAt ?? (node.lastSeenAgeMs === null ? undefined : at - node.lastSeenAgeMs);
  const figures = load?.load ?? node.load;
  return (
    <tr>
      <th scope="row">
        <Link to="/nodes/$node" params={{ node: node.name }}>
          {node.name}
        </Link>{" "}
        <span className="tag">{node.kind}</span>
      </th>
      <td>
        <Status tone={toneOfNode(node)}>{stateOfNode(node)}</Status>
        <DrainLine node={node} at={at} />
      </td>
      <td className="nowrap" data-title="Heard">
        {heardAt === undefined ? "never" : <Age since={heardAt} />}
      </td>
      <td data-title="At">
        {node.site}
        {node.zone !== node.site && <span className="faint"> / {node.zone}</span>}
      </td>
      <td>
        <Holds node={node} />
      </td>
      <td className="spark-cell" data-title="CPU">
        {figures && (
          <>
            <Sparkline
              values={cpuHistory(node.name)}
              most={100}
              label={`CPU of ${node.name} since this page was opened`}
            />
            <span>{Math.round(figures.cpuPct)} %</span>
          </>
        )}
      </td>
      <td className="number" data-title="Memory free">
        {figures && mebibytesText(figures.memFreeMiB)}
      </td>
      <td className="number" data-title="Round trip">
        {figures && msText(figures.rttMs)}
      </td>
    </tr>
  );
}

const SHOWN_MODELS = 3;

/** The models of a node; those that are not ready with their state. */
export function Holds({ node: { placements } }: { readonly node: Node }) {
  if (placements.length === 0) return <span className="faint">nothing</span>;
  return (
    <span className="chips">
      {placements.slice(0, SHOWN_MODELS).map(({ placementId, model, version, variant, state }) => (
        <span key={placementId} className={`chip ${state === "ready" ? "good" : state === "failed" ? "bad" : "busy"}`}>
          {versionText(`${model}:${version}`, variant)}
          {state !== "ready" && ` ${state}`}
        </span>
      ))}
      {placements.length > SHOWN_MODELS && <span className="faint">and {placements.length - SHOWN_MODELS} more</span>}
    </span>
  );
}
