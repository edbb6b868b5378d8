import { answersIn, p99 } from "../engine/measure.ts";
import { restartingAt, skerry, type PolicyOf } from "../engine/policies.ts";
import { simulate, type Outcome } from "../engine/simulate.ts";
import { EC32 } from "../engine/world.ts";
import type { Experiment } from "./experiment.ts";

/** S16: edge nodes load the model while pods answer; a router forgets everything. */
const LOAD_MS = 1_000;
const FIRST_MS = 6_000;
const RESTART_MS = 15_000;
/** Of the capacity of all nodes: a little more than that of the pods. */
const SHARE = 0.7;

/** Edge nodes are ready one after the other, one a second; pods always. */
const servesFrom = (node: number): number => (EC32.nodes[node]?.kind === "cloud" ? -1 : FIRST_MS + LOAD_MS * node);

const run = (policy: PolicyOf, share: number, seconds: number): Outcome =>
  simulate({ world: EC32, seed: 1, load: () => share, seconds, policy });

export const START: Readonly<Record<string, Experiment>> = {
  S16: () => {
    const cold = run(skerry({ servesFrom }), SHARE, 40);
    const tooEarly = cold.sentAt.map((times, node) => times.filter((at) => at < servesFrom(node)).length);
    const restarted = run(restartingAt(RESTART_MS, skerry()), 0.8, 20);
    const steady = run(skerry(), 0.8, 20);
    const [loading, after] = [
      { from: FIRST_MS, to: FIRST_MS + 24_000 },
      { from: RESTART_MS, to: RESTART_MS + 1_000 },
    ];
    return {
      sentToLoading: tooEarly.reduce((sum, count) => sum + count, 0),
      edgeShareAtEndPct: (100 * edgeRequests(cold, 35_000)) / allRequests(cold, 35_000),
      coldP99: p99(answersIn(cold, loading)),
      podsAloneP99: p99(answersIn(cold, { from: 4_000, to: FIRST_MS })),
      restartP99: p99(answersIn(restarted, after)),
      steadyP99: p99(answersIn(steady, after)),
    };
  },
};

const allRequests = ({ sentAt }: Outcome, from: number): number =>
  sentAt.reduce((sum, times) => sum + times.filter((at) => at >= from).length, 0);

const edgeRequests = ({ sentAt }: Outcome, from: number): number =>
  sentAt.reduce(
    (sum, times, node) => sum + (EC32.nodes[node]?.kind === "edge" ? times.filter((at) => at >= from).length : 0),
    0,
  );
