import { countOf } from "../text/units.ts";
import { firstOf } from "./drain.ts";
import type { Tone } from "./tone.ts";

interface HealthNode {
  readonly name: string;
  readonly state: string;
  readonly cordoned: boolean;
  readonly draining: boolean;
  readonly drain?: { readonly overdue: boolean; readonly waitsFor: readonly string[] } | null | undefined;
  readonly placements: readonly { readonly state: string }[];
}

interface HealthDeployment {
  readonly name: string;
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
    readonly unplaced: readonly string[];
  };
}

/** One thing that an operator should look at. */
export interface Need {
  readonly tone: Tone;
  readonly what: "node" | "deployment";
  readonly name: string;
  readonly sentence: string;
}

export interface Health {
  readonly tone: Tone;
  readonly sentence: string;
  /** The worst first. */
  readonly needs: readonly Need[];
}

const RANK: readonly Tone[] = ["bad", "warn", "busy", "idle", "good"];

/** The fleet in one sentence, and what in it needs somebody. */
export function healthOf(nodes: readonly HealthNode[], deployments: readonly HealthDeployment[]): Health {
  const needs = [...deployments.flatMap(needOfDeployment), ...nodes.flatMap(needOfNode)].toSorted(
    (a, b) => RANK.indexOf(a.tone) - RANK.indexOf(b.tone) || (a.name < b.name ? -1 : 1),
  );
  const connected = nodes.filter(({ state }) => state === "ready").length;
  const serving = deployments.filter((each) => conditionOf(each, "Ready")?.status === "True").length;
  const worst = needs[0]?.tone ?? "good";
  const count = needs.filter(({ tone }) => tone === "bad" || tone === "warn").length;
  const parts = `${serving} of ${countOf(deployments.length, "deployment")} ${serving === 1 ? "serves" : "serve"} as declared, ${connected} of ${countOf(nodes.length, "node")} connected`;
  return {
    tone: worst === "idle" ? "good" : worst,
    sentence: `${verdictOf(worst, count)}: ${parts}.`,
    needs,
  };
}

function verdictOf(worst: Tone, count: number): string {
  if (count > 0) return `${countOf(count, "thing")} ${count === 1 ? "needs" : "need"} you`;
  return worst === "busy" ? "Changes are under way" : "All is well";
}

const conditionOf = ({ status }: HealthDeployment, type: string) =>
  status.conditions.find((each) => each.type === type);

function needOfDeployment(deployment: HealthDeployment): Need[] {
  const { name, status } = deployment;
  const stalled = conditionOf(deployment, "Stalled");
  const ready = conditionOf(deployment, "Ready");
  const need = (tone: Tone, sentence: string): Need[] => [{ tone, what: "deployment", name, sentence }];
  if (stalled?.status === "True") return need("bad", stalled.message || stalled.reason);
  const [unplaced] = status.unplaced;
  if (unplaced !== undefined) return need("warn", unplaced);
  if (ready?.status === "False") {
    const isMoving = conditionOf(deployment, "Progressing")?.status === "True";
    return need(isMoving ? "busy" : "warn", ready.message || ready.reason);
  }
  return [];
}

function needOfNode({ name, state, cordoned, draining, drain, placements }: HealthNode): Need[] {
  const need = (tone: Tone, sentence: string): Need[] => [{ tone, what: "node", name, sentence }];
  if (state === "waiting") return need("warn", "waits for an approval before it may connect");
  if (state === "lost") return need("bad", "is lost: nothing was heard of it for so long that its models move");
  if (state === "suspect") return need("warn", "fell silent: it gets no new request");
  if (state === "detached") return need("warn", "waits for another control plane: it gets no new request");
  if (state === "pending") return need("idle", "has joined and has not connected yet");
  const failed = placements.filter((each) => each.state === "failed").length;
  if (failed > 0) return need("warn", `holds ${countOf(failed, "model")} that failed`);
  if (drain?.overdue === true) return need("warn", `is past the deadline of its drain: ${firstOf(drain.waitsFor)}`);
  if (draining) return need("busy", `is draining: ${countOf(placements.length, "model")} left`);
  if (cordoned) return need("idle", "is cordoned: no new model comes to it");
  return [];
}
