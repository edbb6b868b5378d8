import { RUNNING_PHASES, type RolloutAction, type RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { FleetDeployment } from "../fleet/types.ts";
import { enter, nameOf, rollBack, withWhy, type Author, type RolloutChange } from "./change.ts";
import { approve, openStages } from "./hold.ts";
import { firstRecord, type Declared } from "./start.ts";

/** What an operator's action makes of a rollout, or why it cannot be done. */
export type ActOutcome = Declared | { readonly refused: string };

/**
 * `pause` and `resume` a rollout that is under way, `approve` what it waits for, `promote` it without its gates, `abort` it by
 * returning; `undo` returns after it was promoted, `resume` tries a version again from which a rollout has returned or which
 * was undone.
 */
export function act(
  deployment: FleetDeployment,
  record: RolloutRecord,
  { action, author }: { readonly action: RolloutAction; readonly author: Author },
): ActOutcome {
  const { phase } = record;
  const { who } = author;
  const isRunning = RUNNING_PHASES.includes(phase);
  const refused = { refused: `the rollout to ${nameOf(record)} is ${phase}: there is nothing to ${action}` };
  if (!record.current) return refused;
  switch (action) {
    case "pause":
      if (!isRunning || phase === "paused") return refused;
      return only(
        enter(record, author, {
          phase: "paused",
          reason: withWhy(`${who} paused the rollout to ${nameOf(record)}`, author),
          event: "RolloutPaused",
          with: { resumes: phase },
          cause: "operator",
        }),
      );
    case "resume":
      if (phase === "paused")
        return only(
          enter(record, author, {
            phase: record.resumes ?? "pending",
            reason: withWhy(`${who} resumed the rollout to ${nameOf(record)}`, author),
            event: "RolloutResumed",
            with: { nodes: record.nodes.map((node) => ({ ...node, since: author.at })) },
          }),
        );
      if (phase === "rolled-back")
        return again(deployment, { from: record.from, to: record.to, declared: record.declared, by: who }, author);
      // Promoted back to the version before: what is declared was undone.
      return phase === "promoted" && record.to !== record.declared
        ? again(deployment, { from: record.to, to: record.declared, declared: record.declared, by: who }, author)
        : refused;
    case "approve":
      return isRunning ? approved(record, author) : refused;
    case "promote":
      if (!isRunning) return refused;
      // An operator who ends the rollout with its new version approves of all of it.
      return only(
        enter(approve(record, openStages(record), author), author, {
          phase: "promoted",
          reason: withWhy(`${who} promoted ${nameOf(record)} without the rest of its rollout`, author),
          event: "RolloutPromoted",
        }),
      );
    case "abort":
      return isRunning
        ? only(rollBack(record, author, { why: withWhy(`${who} aborted the rollout`, author), cause: "aborted" }))
        : refused;
    case "undo": {
      if (isRunning)
        return only(rollBack(record, author, { why: withWhy(`${who} undid the rollout`, author), cause: "undone" }));
      if (phase !== "promoted" || record.from === record.to) return refused;
      const { from, to, declared } = record;
      return again(deployment, { from: to, to: from, declared, by: who, isPlain: true }, author);
    }
  }
}

/**
 * The earliest stage that nobody has approved. Of the last one only when it is reached: an operator who approves twice by
 * mistake does not approve what has not been seen.
 */
function approved(record: RolloutRecord, author: Author): ActOutcome {
  const name = nameOf(record);
  const [stage] = openStages(record);
  if (stage === undefined) {
    const has = record.approval.length > 0 ? "has its approvals" : "needs no approval";
    return { refused: `the rollout to ${name} ${has}: there is nothing to approve` };
  }
  if (stage === "promote" && record.waitsFor?.stage !== stage)
    return { refused: `${name} is not about to take over: it is approved when its last wave has passed` };
  const todo = stage === "start" ? "begins" : "takes over";
  return only(
    enter(approve(record, [stage], author), author, {
      phase: record.phase,
      reason: withWhy(`${author.who} approved that ${name} ${todo}`, author),
      event: "RolloutApproved",
      with: { resumes: record.resumes },
    }),
  );
}

const only = (newest: RolloutChange): Declared => ({ newest, next: undefined });

function again(deployment: FleetDeployment, of: Parameters<typeof firstRecord>[1], author: Author): ActOutcome {
  const next = firstRecord(deployment, of, author);
  const undone = of.isPlain === true && { cause: "undone" as const };
  return next
    ? { newest: undefined, next: { ...next, ...undone } }
    : { refused: "the deployment has no `rollout` any more" };
}
