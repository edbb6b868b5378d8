import type { PlacementState, WantedState } from "../../../shared/protocol/placement.ts";

/** A node's report of one placement beside what is recorded under its id. */
export interface ReportedPlacement {
  readonly placementId: string;
  readonly generation: number;
  readonly state: PlacementState;
  /** Undefined: there is no such placement. */
  readonly recorded:
    | {
        readonly name: string;
        readonly isOnThisNode: boolean;
        readonly generation: number;
        readonly wanted: WantedState;
      }
    | undefined;
}

/** What became of the record, or of the node, and what is said about it. */
interface ReportVerdict {
  readonly kind: "agrees" | "late" | "ahead" | "returns" | "elsewhere" | "unknown";
  /** For operators; undefined where nothing is wrong. */
  readonly message?: string;
}

/**
 * Every way in which a report and the record differ, as after a restored backup, and what follows. None is passed over:
 *
 * kind       the node reports                              the record                          what follows
 * agrees     the recorded generation                       -                                   the state is recorded
 * late       an older generation                           is newer                            nothing: the node's document names the newer one
 * ahead      a newer generation                            was set back                        the record takes over generation and state
 * returns    `gone`                                        wants it                            it is offered anew
 * elsewhere  a placement of another node                   names that node                     the node's document leaves it out: it is removed
 * unknown    a placement that is not recorded              -                                   the same
 *
 * Two more are not about a report: a placement that is recorded as there and not in `hello` is offered anew
 * (`PlacementMissing`); a node that is not recorded is refused (`UnknownNode`). What a node removes by itself (`gone`,
 * `draining`) may be deleted here already.
 */
export function judgeReport(
  { placementId, generation, state, recorded }: ReportedPlacement,
  node: string,
): ReportVerdict {
  const isLeaving = state === "gone" || state === "draining";
  if (!recorded) {
    if (isLeaving) return { kind: "agrees" };
    return {
      kind: "unknown",
      message: `${node} has a placement ${placementId} (${state}) that is not recorded: it is removed there`,
    };
  }
  const { name } = recorded;
  if (!recorded.isOnThisNode)
    return {
      kind: "elsewhere",
      message: `${node} has a placement of ${name} that is recorded on another node: it is removed there`,
    };
  if (generation < recorded.generation) return { kind: "late" };
  if (generation > recorded.generation) {
    const message = `${node} reports ${name} at generation ${generation}, ${recorded.generation} is recorded: the record follows the node`;
    return { kind: "ahead", message };
  }
  if (state === "gone" && recorded.wanted !== "gone")
    return { kind: "returns", message: `${node} has removed ${name}, which is wanted there: it is offered anew` };
  return { kind: "agrees" };
}

/** Of a placement that is recorded in `state` and that the node does not name in `hello`; undefined when that is to be expected. */
export function missingMessage(name: string, state: PlacementState, node: string): string | undefined {
  const isThere = ["staged", "loading", "warming", "ready"].includes(state);
  return isThere ? `${name} is recorded as ${state} on ${node}, which does not have it: it is offered anew` : undefined;
}
