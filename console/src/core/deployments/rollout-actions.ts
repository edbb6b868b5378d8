export type RolloutAction = "pause" | "resume" | "approve" | "promote" | "abort" | "undo";

const RUNNING = new Set(["pending", "staging", "switching", "baking"]);

/** What an operator may do about a rollout in its phase, the mildest first. */
export function actionsOf({
  phase,
  waitsFor,
  current,
}: {
  readonly phase: string;
  readonly waitsFor: { readonly what: string } | null;
  readonly current: boolean;
}): readonly RolloutAction[] {
  const approve: readonly RolloutAction[] = waitsFor?.what === "approval" ? ["approve"] : [];
  if (phase === "paused") return [...approve, "resume", "promote", "abort"];
  if (RUNNING.has(phase)) return [...approve, "pause", "promote", "abort"];
  if (phase === "promoted" && current) return ["undo"];
  return phase === "rolled-back" && current ? ["resume"] : [];
}
