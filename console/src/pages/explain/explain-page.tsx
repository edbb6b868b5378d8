import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment, Explanation } from "../../api/types.ts";
import { explainRows, type ExplainRow } from "../../core/deployments/explain-rows.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { useNodes } from "../../live/lists.ts";
import { PageHead, Section } from "../../ui/page.tsx";
import { Pager } from "../../ui/pager.tsx";
import { LiveState, QueryState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Status } from "../../ui/status.tsx";
import { LiveDeployment } from "../deployments/live-deployment.tsx";
import { WhatIf } from "./what-if.tsx";
import { WhyNot } from "./why-not.tsx";

const PER_PAGE = 50;
const EVERY_MS = 5_000;

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
  const { q = "", node } = useSearch({ from: "/explain/$deployment" });
  const navigate = useNavigate();
  const query = useQuery({
    queryKey: ["explain", deployment.name],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/deployments/{deployment}/explain", { params: { path: { deployment: deployment.name } } }),
      ),
    refetchInterval: EVERY_MS,
  });
  const show = (search: { readonly q?: string; readonly node?: string }): void =>
    void navigate({ to: "/explain/$deployment", params: { deployment: deployment.name }, search, replace: true });
  return (
    <>
      <PageHead
        title={`Explain ${deployment.name}`}
        sentence={
          <Link to="/deployments/$deployment" params={{ deployment: deployment.name }}>
            The deployment
          </Link>
        }
      >
        <Search
          label="Search nodes"
          value={q}
          onChange={(value) => show({ ...(value !== "" && { q: value }), ...(node !== undefined && { node }) })}
        />
      </PageHead>
      <QueryState query={query}>
        {(explained) => (
          <LiveState list={nodes}>
            {({ rows }) => (
              <>
                <Decisions explained={explained} />
                <Section title="Every node">
                  <NodeTable
                    rows={explainRows(
                      rows.map(({ item }) => item),
                      explained,
                    )}
                    filter={q}
                    selected={node}
                    deployment={deployment.name}
                    onSelect={(selected) =>
                      show({ ...(q !== "" && { q }), ...(selected !== undefined && { node: selected }) })
                    }
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

const Decisions = ({ explained }: { readonly explained: Explanation }) => (
  <Section title="What would be decided now">
    <ul className="findings">
      {explained.now.map((record) => (
        <li key={`${record.kind} ${record.id}`}>
          <span className="tag">{record.kind}</span> {record.sentence}
        </li>
      ))}
      {explained.now.length === 0 && <li className="faint">Nothing: it asks for no replica.</li>}
      {explained.cascade && <li>{explained.cascade.sentence}</li>}
    </ul>
  </Section>
);

function NodeTable({
  rows,
  filter,
  selected,
  deployment,
  onSelect,
}: {
  readonly rows: readonly ExplainRow[];
  readonly filter: string;
  readonly selected: string | undefined;
  readonly deployment: string;
  readonly onSelect: (node: string | undefined) => void;
}) {
  const [page, setPage] = useState(0);
  const matching = rows.filter(({ node, kind, verdict, sentence }) =>
    matchesWords(filter, [node, kind, verdict, sentence]),
  );
  const first = Math.min(page, Math.max(0, Math.ceil(matching.length / PER_PAGE) - 1)) * PER_PAGE;
  return (
    <>
      <div className="table">
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Verdict</th>
              <th scope="col" className="number">
                Points
              </th>
              <th scope="col">Why</th>
              <th scope="col">
                <span className="visually-hidden">Details</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {matching.slice(first, first + PER_PAGE).map((row) => (
              <NodeRows
                key={row.node}
                row={row}
                deployment={deployment}
                isOpen={selected === row.node}
                onToggle={() => onSelect(selected === row.node ? undefined : row.node)}
              />
            ))}
          </tbody>
        </table>
      </div>
      <Pager first={first} perPage={PER_PAGE} count={matching.length} onPage={setPage} />
    </>
  );
}

function NodeRows({
  row,
  deployment,
  isOpen,
  onToggle,
}: {
  readonly row: ExplainRow;
  readonly deployment: string;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  return (
    <>
      <tr>
        <th scope="row">
          <Link to="/nodes/$node" params={{ node: row.node }}>
            {row.node}
          </Link>{" "}
          <span className="tag">{row.kind}</span>
        </th>
        <td className="nowrap">
          <Status tone={row.tone}>{row.verdict}</Status>
        </td>
        <td className="number">{row.total?.toFixed(1)}</td>
        <td>{row.sentence}</td>
        <td>
          <button type="button" className="quiet" aria-expanded={isOpen} onClick={onToggle}>
            {isOpen ? "Hide" : "Details"}
            <span className="visually-hidden"> of {row.node}</span>
          </button>
        </td>
      </tr>
      {isOpen && (
        <tr className="details">
          <td colSpan={5}>
            <WhyNot deployment={deployment} node={row.node} />
          </td>
        </tr>
      )}
    </>
  );
}
