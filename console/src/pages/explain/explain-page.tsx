import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { Fragment } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment, Explanation, Node } from "../../api/types.ts";
import { cascadeRows } from "../../core/deployments/cascade-rows.ts";
import { explainRows, type Verdict } from "../../core/deployments/explain-rows.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { countOf } from "../../core/text/units.ts";
import { useNodes } from "../../live/lists.ts";
import { PageHead, Section } from "../../ui/page.tsx";
import { LiveState, QueryState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Status } from "../../ui/status.tsx";
import { LiveDeployment } from "../deployments/live-deployment.tsx";
import { NodeTable } from "./node-table.tsx";
import { VerdictFilter } from "./verdict-filter.tsx";
import { WhatIf } from "./what-if.tsx";

const EVERY_MS = 5_000;
/** The planner looks at each node of the fleet for it. */
const ALL_EVERY_MS = 15_000;

/** What narrows and widens the table: part of the address. */
interface View {
  readonly q?: string | undefined;
  readonly node?: string | undefined;
  readonly verdict?: Verdict | undefined;
  /** Every node of the fleet is asked about, and not only those that the planner's record names. */
  readonly all?: boolean | undefined;
}

/** One decision with every node in one table, and what would change it. */
export function ExplainPage() {
  const { deployment: name } = useParams({ from: "/explain/$deployment" });
  return (
    <LiveDeployment name={name} all="/explain">
      {(deployment) => <Explained deployment={deployment} />}
    </LiveDeployment>
  );
}

function Explained({ deployment }: { readonly deployment: Deployment }) {
  const nodes = useNodes();
  const view: View = useSearch({ from: "/explain/$deployment" });
  const navigate = useNavigate();
  const isAll = view.all === true;
  const query = useQuery({
    queryKey: ["explain", deployment.name, { isAll }],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/deployments/{deployment}/explain", {
          params: { path: { deployment: deployment.name }, query: isAll ? { nodes: "all" } : {} },
        }),
      ),
    refetchInterval: isAll ? ALL_EVERY_MS : EVERY_MS,
    placeholderData: (before) => before,
  });
  const show = (changed: View): void =>
    void navigate({
      to: "/explain/$deployment",
      params: { deployment: deployment.name },
      search: searchOf({ ...view, ...changed }),
      replace: true,
    });
  return (
    <>
      <PageHead
        title={`Explain ${deployment.name}`}
        sentence={
          <>
            <Link to="/deployments/$deployment" params={{ deployment: deployment.name }}>
              The deployment
            </Link>
            {`; asked for every ${(isAll ? ALL_EVERY_MS : EVERY_MS) / 1_000} s`}
          </>
        }
      >
        <Search label="Search nodes" value={view.q ?? ""} onChange={(q) => show({ q })} />
      </PageHead>
      <QueryState query={query}>
        {(explained) => (
          <LiveState list={nodes}>
            {({ rows }) => (
              <>
                <Decisions explained={explained} />
                <Section title="Every node">
                  <EveryNode
                    nodes={rows.map(({ item }) => item)}
                    explained={explained}
                    view={view}
                    isAsking={query.isPlaceholderData}
                    onView={show}
                  />
                </Section>
                <Section title="What if">
                  <WhatIf deployment={deployment} nodes={rows.map(({ item }) => item)} />
                </Section>
              </>
            )}
          </LiveState>
        )}
      </QueryState>
    </>
  );
}

/** An address without what is as it would be anyway. */
const searchOf = ({ q, node, verdict, all }: View) => ({
  ...(q !== undefined && q !== "" && { q }),
  ...(node !== undefined && { node }),
  ...(verdict !== undefined && { verdict }),
  ...(all === true && { all }),
});

const CascadeFacts = ({ of }: { readonly of: NonNullable<Explanation["cascade"]> }) => (
  <>
    <h3>Cascade</h3>
    <p>{of.sentence}</p>
    <dl className="facts">
      {cascadeRows(of).map(({ title, text, tone }) => (
        <Fragment key={title}>
          <dt>{title}</dt>
          <dd>{tone === undefined ? text : <Status tone={tone}>{text}</Status>}</dd>
        </Fragment>
      ))}
    </dl>
  </>
);

const Decisions = ({ explained }: { readonly explained: Explanation }) => (
  <Section title="What would be decided now">
    <ul className="findings">
      {explained.now.map((record) => (
        <li key={`${record.kind} ${record.id}`}>
          <span className="tag">{record.kind}</span> {record.sentence}
        </li>
      ))}
      {explained.now.length === 0 && <li className="faint">Nothing: no further replica is asked for.</li>}
    </ul>
    {explained.cascade && <CascadeFacts of={explained.cascade} />}
  </Section>
);

function EveryNode({
  nodes,
  explained,
  view: { q = "", node, verdict, all = false },
  isAsking,
  onView,
}: {
  readonly nodes: readonly Node[];
  readonly explained: Explanation;
  readonly view: View;
  /** What was asked for last is not there yet. */
  readonly isAsking: boolean;
  readonly onView: (changed: View) => void;
}) {
  const rows = explainRows(nodes, explained);
  const matching = rows.filter((row) => matchesWords(q, [row.node, row.kind, row.verdict, row.sentence]));
  const unasked = rows.filter((row) => row.verdict === "not asked").length;
  return (
    <>
      <div className="controls rows-choice">
        <VerdictFilter rows={matching} verdict={verdict} onVerdict={(chosen) => onView({ verdict: chosen })} />
        <button type="button" className="toggle" aria-pressed={all} onClick={() => onView({ all: !all })}>
          Ask about every node
        </button>
      </div>
      <p className="faint" role="status">
        {isAsking
          ? "Asking …"
          : all
            ? "Each node as it would be decided now, against the version that is asked for."
            : unasked > 0 &&
              `The planner keeps the best and the first refused of a decision; ${countOf(unasked, "node")} beside them ${unasked === 1 ? "was" : "were"} not asked about.`}
      </p>
      <NodeTable
        rows={verdict === undefined ? matching : matching.filter((row) => row.verdict === verdict)}
        selected={node}
        deployment={explained.deployment}
        onSelect={(selected) => onView({ node: selected })}
      />
    </>
  );
}
