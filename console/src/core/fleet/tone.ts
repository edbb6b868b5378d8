/** How a state looks: good, under way, worth a look, wrong, or nothing. */
export type Tone = "good" | "busy" | "warn" | "bad" | "idle";

interface NodeCondition {
  readonly state: string;
  readonly cordoned: boolean;
  readonly draining: boolean;
  readonly drain?: { readonly overdue: boolean } | null | undefined;
}

export const toneOfNode = ({ state, cordoned, draining, drain }: NodeCondition): Tone => {
  if (state === "lost" || state === "revoked") return "bad";
  if (state === "suspect" || state === "detached" || state === "waiting") return "warn";
  if (draining) return drain?.overdue === true ? "warn" : "busy";
  if (cordoned || state === "pending") return "idle";
  return "good";
};

/** The state of a node in a word or two: that an operator holds it back comes before that it is connected. */
export function stateOfNode(node: NodeCondition): string {
  const drains = node.drain?.overdue === true ? "drain overdue" : "draining";
  const held = node.draining ? drains : node.cordoned ? "cordoned" : undefined;
  if (node.state === "ready") return held ?? "ready";
  return held === undefined ? node.state : `${node.state}, ${held}`;
}

const RUNNING = new Set(["offered", "downloading", "verifying", "staged", "loading", "warming", "draining"]);

export const toneOfPlacement = (state: string): Tone =>
  state === "ready" ? "good" : state === "failed" ? "bad" : RUNNING.has(state) ? "busy" : "idle";

const PHASES: Readonly<Record<string, Tone>> = {
  promoted: "good",
  "rolled-back": "bad",
  "rolling-back": "warn",
  paused: "warn",
  superseded: "idle",
};

export const toneOfPhase = (phase: string): Tone => PHASES[phase] ?? "busy";

/** A condition of a deployment: `Ready` is good when true, `Stalled` is bad, `Progressing` is under way. */
export function toneOfCondition({ type, status }: { readonly type: string; readonly status: string }): Tone {
  if (status === "Unknown") return "idle";
  if (type === "Ready") return status === "True" ? "good" : "warn";
  if (type === "Stalled") return status === "True" ? "bad" : "good";
  return status === "True" ? "busy" : "idle";
}
