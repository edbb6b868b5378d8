import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Placement } from "../api/types.ts";
import { toneOfPlacement } from "../core/fleet/tone.ts";
import { bytesText, percentOf } from "../core/text/units.ts";
import { Age } from "./age.tsx";
import { Meter, Status } from "./status.tsx";

/** Placements, a row each. `at`: when they were read, in ms of this page's clock; `of`: what each belongs to beside its node. */
export function PlacementTable({
  items,
  at,
  of,
}: {
  readonly items: readonly Placement[];
  readonly at: number;
  readonly of: { readonly title: string; readonly cell: (placement: Placement) => ReactNode };
}) {
  if (items.length === 0) return <p className="faint">Nowhere.</p>;
  const hasVariants = items.some(({ variant }) => variant !== null);
  return (
    <div className="table stacks">
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">{of.title}</th>
            {hasVariants && <th scope="col">Variant</th>}
            <th scope="col">State</th>
            <th scope="col">Since</th>
            <th scope="col">Why here</th>
          </tr>
        </thead>
        <tbody>
          {items.map((placement) => (
            <tr key={placement.id}>
              <th scope="row">
                <Link to="/nodes/$node" params={{ node: placement.node }}>
                  {placement.node}
                </Link>{" "}
                <span className="tag">{placement.kind}</span>
              </th>
              <td data-title={of.title}>{of.cell(placement)}</td>
              {hasVariants && <td data-title="Variant">{placement.variant ?? <span className="faint">–</span>}</td>}
              <td>
                <PlacementState placement={placement} />
              </td>
              <td className="nowrap">
                <Age since={at - placement.stateAgeMs} />
              </td>
              <td className="prose">{placement.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const PlacementState = ({ placement: { state, wanted, progress, failure } }: { readonly placement: Placement }) => (
  <>
    <Status tone={toneOfPlacement(state)}>{wanted === "gone" ? `${state}, leaves` : state}</Status>
    {progress && (
      <Meter
        tone="busy"
        value={percentOf(progress.done, progress.total)}
        label={`${bytesText(progress.done)} of ${bytesText(progress.total)}`}
      />
    )}
    {failure && (
      <p className="faint">
        <code>{failure.code}</code> {failure.detail}
      </p>
    )}
  </>
);
