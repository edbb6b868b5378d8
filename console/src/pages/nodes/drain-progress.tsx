import type { Node } from "../../api/types.ts";
import { drainSentence, endSentence, firstOf } from "../../core/fleet/drain.ts";
import { countOf } from "../../core/text/units.ts";
import { Until } from "../../ui/age.tsx";

interface Shown {
  readonly node: Node;
  /** When the page received it, in ms of its clock: the deadline is counted from there, whatever the machine's clock says. */
  readonly at: number;
}

/** How far the drain of a node is, when it is to end, and what it waits for. */
export function DrainProgress({ node, at }: Shown) {
  const { drain, placements } = node;
  const isLeft = placements.length > 0;
  return (
    <div className={`note ${drain?.overdue === true ? "warn" : "busy"}`}>
      <p role="status">{drainSentence(node)}</p>
      {isLeft && drain && (
        <>
          <p>
            {drain.overdue ? "The deadline was " : "The deadline is "}
            <Until at={deadlineOf(drain, at)} />. {!drain.overdue && endSentence(drain.atDeadline)}
          </p>
          <ul>
            {drain.waitsFor.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** The same in the list of nodes, in a line below the state. */
export function DrainLine({ node: { drain, draining, placements }, at }: Shown) {
  if (!draining) return null;
  const left = placements.length;
  return (
    <div className="faint drain-line">
      {left === 0 ? "empty" : `${countOf(left, "model")} left`}
      {left > 0 && drain && (
        <>
          {drain.overdue ? ", was due " : ", due "}
          <Until at={deadlineOf(drain, at)} />
          {drain.overdue && `: ${firstOf(drain.waitsFor)}`}
        </>
      )}
    </div>
  );
}

/** In ms of the page's clock. One that has passed says no longer how far it is away, but when it was. */
const deadlineOf = ({ deadline, leftMs }: NonNullable<Node["drain"]>, at: number): number =>
  leftMs > 0 ? at + leftMs : Math.min(at, Date.parse(deadline));
