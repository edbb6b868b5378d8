import { clampScore, type Score } from "./score.ts";

/** CPU and memory are used equally, so that neither is left unused. */
export const balance: Score = {
  name: "balance",
  zeroMeans: "one of CPU and memory is full while the other is idle",
  hundredMeans: "both are used alike",
  of({ node, usableMiB, reservedMiB }, { memMiB }) {
    const memory = usableMiB === 0 ? 1 : Math.min(1, (reservedMiB + memMiB) / usableMiB);
    const cpu = (node.load?.cpuPct ?? 50) / 100;
    return {
      score: clampScore(100 * (1 - Math.abs(memory - cpu))),
      raw: `memory ${Math.round(memory * 100)} %, CPU ${Math.round(cpu * 100)} %`,
    };
  },
};
