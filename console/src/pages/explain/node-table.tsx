import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ExplainRow } from "../../core/deployments/explain-rows.ts";
import { Pager } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";
import { WhyNot } from "./why-not.tsx";

const PER_PAGE = 50;

/** What was decided about each node, a page at a time; of a selected one with every filter and score. */
export function NodeTable({
  rows,
  selected,
  deployment,
  onSelect,
}: {
  readonly rows: readonly ExplainRow[];
  readonly selected: string | undefined;
  readonly deployment: string;
  readonly onSelect: (node: string | undefined) => void;
}) {
  const [page, setPage] = useState(0);
  const first = Math.min(page, Math.max(0, Math.ceil(rows.length / PER_PAGE) - 1)) * PER_PAGE;
  const shown = rows.slice(first, first + PER_PAGE);
  const hasVariants = shown.some(({ variant }) => variant !== undefined);
  if (rows.length === 0) return <p className="faint">No node is like this.</p>;
  return (
    <>
      <div className="table stacks">
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Verdict</th>
              <th scope="col" className="number">
                Points
              </th>
              {hasVariants && <th scope="col">Variant</th>}
              <th scope="col">Why</th>
              <th scope="col">
                <span className="visually-hidden">Details</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <NodeRows
                key={row.node}
                row={row}
                hasVariants={hasVariants}
                deployment={deployment}
                isOpen={selected === row.node}
                onToggle={() => onSelect(selected === row.node ? undefined : row.node)}
              />
            ))}
          </tbody>
        </table>
      </div>
      <Pager first={first} perPage={PER_PAGE} count={rows.length} onPage={setPage} />
    </>
  );
}

function NodeRows({
  row: { node, kind, tone, verdict, total, variant, sentence },
  hasVariants,
  deployment,
  isOpen,
  onToggle,
}: {
  readonly row: ExplainRow;
  readonly hasVariants: boolean;
  readonly deployment: string;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  return (
    <>
      <tr>
        <th scope="row">
          <Link to="/nodes/$node" params={{ node }}>
            {node}
          </Link>{" "}
          <span className="tag">{kind}</span>
        </th>
        <td className="nowrap">
          <Status tone={tone}>{verdict}</Status>
        </td>
        <td className="number" data-title="Points">
          {total?.toFixed(1)}
        </td>
        {hasVariants && <td data-title="Variant">{variant?.name}</td>}
        <td className="prose">{sentence}</td>
        <td>
          <button type="button" className="quiet" aria-expanded={isOpen} onClick={onToggle}>
            {isOpen ? "Hide" : "Details"}
            <span className="visually-hidden"> of {node}</span>
          </button>
        </td>
      </tr>
      {isOpen && (
        <tr className="details">
          <td colSpan={hasVariants ? 6 : 5}>
            {variant && (
              <p>
                It {verdict === "has a replica" ? "has" : "would get"} the variant <strong>{variant.name}</strong>:{" "}
                {variant.why}
              </p>
            )}
            <WhyNot deployment={deployment} node={node} />
          </td>
        </tr>
      )}
    </>
  );
}
