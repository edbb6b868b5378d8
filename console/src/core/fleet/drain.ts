import { countOf } from "../text/units.ts";

/** What becomes of what a node still holds at the deadline of its drain. */
export type DrainEnd = "wait" | "remove";

export const DRAIN_UNITS = { seconds: 1, minutes: 60, hours: 3_600, days: 86_400 } as const;
export type DrainUnit = keyof typeof DRAIN_UNITS;

export const isDrainUnit = (value: string): value is DrainUnit => value in DRAIN_UNITS;

/** The API takes no longer one: 7 days. */
const MOST_S = 7 * DRAIN_UNITS.days;

/** How many of a unit a deadline may have at most. */
export const mostOf = (unit: DrainUnit): number => MOST_S / DRAIN_UNITS[unit];

/** What is written into the dialog. `amount`: as text, empty without a deadline. */
export interface DrainForm {
  readonly amount: string;
  readonly unit: DrainUnit;
  readonly atDeadline: DrainEnd;
}

export const NO_DEADLINE: DrainForm = { amount: "", unit: "minutes", atDeadline: "wait" };

/** The body of the request: empty without a deadline, since what happens at one has no meaning then. */
export function drainBody({ amount, unit, atDeadline }: DrainForm): {
  readonly deadlineSeconds?: number;
  readonly atDeadline: DrainEnd;
} {
  if (amount.trim() === "") return { atDeadline: "wait" };
  return { deadlineSeconds: Math.round(Number(amount) * DRAIN_UNITS[unit]), atDeadline };
}

interface DrainingNode {
  readonly placements: readonly unknown[];
  readonly drain?: { readonly overdue: boolean; readonly atDeadline: DrainEnd } | null | undefined;
}

/** How far a drain is. The moment of its deadline is beside it, since that goes on by itself. */
export function drainSentence({ placements, drain }: DrainingNode): string {
  const left = placements.length;
  if (left === 0) return "Drained: nothing runs here. It stays empty until it is uncordoned.";
  const models = countOf(left, "model");
  if (drain?.overdue !== true)
    return `Draining: ${models} ${left === 1 ? "has" : "have"} to be ready elsewhere before ${left === 1 ? "it leaves" : "they leave"}.`;
  return drain.atDeadline === "remove"
    ? `The drain is past its deadline: ${models} ${left === 1 ? "is" : "are"} removed now, with no successor.`
    : `The drain is past its deadline and goes on: ${models} ${left === 1 ? "is" : "are"} still here.`;
}

/** What happens at a deadline that is still to come. */
export const endSentence = (atDeadline: DrainEnd): string =>
  atDeadline === "remove"
    ? "What is left then is removed, with no successor."
    : "What is left then stays until others are ready; an event names it.";

/** The first of some sentences, and how many there are beside it. */
export const firstOf = ([first = "", ...others]: readonly string[]): string =>
  others.length === 0 ? first : `${first}, and ${others.length} more`;
