import { msOfInstant } from "../../../shared/api/v1/common.ts";
import type { ApprovalStage } from "../../../shared/api/v1/rollouts/rollout-spec.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { nameOf, note, type Author, type RolloutChange } from "./change.ts";
import { frozenBy, windowText } from "./freeze.ts";

/** What a rollout is about to do. A return is not among them: nothing holds it up. */
export type Intent = "begin" | "load" | "next-wave" | "promote";

/** The stage that has to be approved before a rollout does this. */
const STAGE_OF: Readonly<Partial<Record<Intent, ApprovalStage>>> = { begin: "start", promote: "promote" };

interface Hold {
  readonly what: NonNullable<RolloutRecord["waitsFor"]>["what"];
  readonly stage: ApprovalStage | null;
  readonly sentence: string;
}

/** The stages that the plan of a rollout wants approved and nobody has, the earlier one first. */
export const openStages = ({ approval, approvals }: RolloutRecord): readonly ApprovalStage[] =>
  approval.filter((stage) => !approvals.some((given) => given.stage === stage));

/** Why a rollout does not do what it is ready to do; undefined: nothing holds it up. */
function holdOf(record: RolloutRecord, intent: Intent, at: string): Hold | undefined {
  const stage = STAGE_OF[intent];
  if (stage !== undefined && openStages(record).includes(stage)) {
    const todo = stage === "start" ? "begins" : "takes over";
    return { what: "approval", stage, sentence: `${nameOf(record)} waits for approval before it ${todo}` };
  }
  const window = frozenBy(record.freeze, msOfInstant(at));
  if (window === undefined) return undefined;
  return { what: "freeze-end", stage: null, sentence: `${nameOf(record)} waits: frozen ${windowText(window)}` };
}

/**
 * What becomes of a rollout that is ready for `intent`: `go`, unless it lacks an approval or is in a frozen window. Then it
 * stays in its phase, in which it is watched as before, and says what it waits for; `stay` is what else changed of it.
 */
export function unlessHeld(
  present: RolloutRecord,
  of: { readonly intent: Intent; readonly author: Author },
  then: { readonly go: () => RolloutChange | undefined; readonly stay: () => RolloutChange | undefined },
): RolloutChange | undefined {
  const { author, intent } = of;
  const hold = holdOf(present, intent, author.at);
  if (hold === undefined) return then.go();
  return present.waitsFor?.sentence === hold.sentence ? then.stay() : wait(present, author, hold);
}

/**
 * A wave that is over but for nodes that are silent, and may be for long: it says so once, whichever they are. `stay`: what
 * else changed of the rollout.
 */
export function waitForNodes(
  present: RolloutRecord,
  of: { readonly why: string; readonly author: Author },
  stay: () => RolloutChange | undefined,
): RolloutChange | undefined {
  if (present.waitsFor?.what === "nodes") return stay();
  const sentence = `${nameOf(present)} waits: ${of.why}`;
  return wait(present, of.author, { what: "nodes", stage: null, sentence });
}

function wait(present: RolloutRecord, author: Author, hold: Hold): RolloutChange {
  const record = { ...note(present, author, hold.sentence), waitsFor: { ...hold, since: author.at } };
  return { record, events: [{ type: "Normal", reason: "RolloutWaiting", message: hold.sentence }] };
}

/** `record`, which says no more that it waits for the end of a frozen window that is over. */
export const thawed = (record: RolloutRecord, at: string): RolloutRecord =>
  record.waitsFor?.what === "freeze-end" && frozenBy(record.freeze, msOfInstant(at)) === undefined
    ? { ...record, waitsFor: null }
    : record;

/** `record`, which says no more that it waits for nodes: they are back. */
export const withNodesBack = (record: RolloutRecord): RolloutRecord =>
  record.waitsFor?.what === "nodes" ? { ...record, waitsFor: null } : record;

/** `record` with the stages approved by the author. */
export const approve = (record: RolloutRecord, stages: readonly ApprovalStage[], author: Author): RolloutRecord => ({
  ...record,
  approvals: [
    ...record.approvals,
    ...stages.map((stage) => ({ stage, who: author.who, at: author.at, why: author.why ?? null })),
  ],
});
