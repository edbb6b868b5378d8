import type { Tone } from "../fleet/tone.ts";
import { bytesText, countOf } from "../text/units.ts";

interface Cascade {
  readonly to: string;
  readonly breaker: "closed" | "open" | "trying";
  readonly leftBytes: number | null;
  readonly counted: {
    readonly requests: number;
    readonly escalated: number;
    readonly compared: number;
    readonly agreed: number;
  };
}

export interface CascadeRow {
  readonly title: string;
  readonly text: string;
  /** Of what can be wrong. */
  readonly tone?: Tone;
}

const BREAKERS: Readonly<Record<Cascade["breaker"], Pick<CascadeRow, "text" | "tone">>> = {
  closed: { text: "closed: it is asked", tone: "good" },
  open: { text: "open: it failed, and is not asked for a while", tone: "bad" },
  trying: { text: "trying: one request asks whether it answers again", tone: "warn" },
};

/** What a cascade does, as the control plane that answered has counted since it started. */
export function cascadeRows({ to, breaker, leftBytes, counted }: Cascade): readonly CascadeRow[] {
  const { requests, escalated, compared, agreed } = counted;
  return [
    {
      title: `Answered by ${to}`,
      text: requests === 0 ? "no request yet" : `${shareText(escalated, requests)} of ${countOf(requests, "request")}`,
    },
    {
      title: "Both decide alike",
      text: compared === 0 ? "not compared yet" : `${shareText(agreed, compared)} of ${compared} that both answered`,
    },
    { title: `Breaker of ${to}`, ...BREAKERS[breaker] },
    {
      title: "May go to cloud nodes now",
      text: leftBytes === null ? "any number of bytes" : bytesText(leftBytes),
      ...(leftBytes === 0 && { tone: "warn" as const }),
    },
  ];
}

const shareText = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
