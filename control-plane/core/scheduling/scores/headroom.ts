import { clampScore, type Score } from "./score.ts";

/** Room left after placement: the scarcer of memory and CPU. Mirrored on cloud nodes, which pack so that the pool can shrink. */
export const headroom: Score = {
  name: "headroom",
  zeroMeans: "memory or CPU is full after the placement",
  hundredMeans: "the node stays empty (on a cloud node: full)",
  of({ node, usableMiB, reservedMiB }, { memMiB }) {
    const memoryLeft = usableMiB === 0 ? 0 : 1 - (reservedMiB + memMiB) / usableMiB;
    const cpuLeft = 1 - (node.load?.cpuPct ?? 50) / 100;
    const left = 100 * Math.min(memoryLeft, cpuLeft);
    // The raw value alone would read as a contradiction beside the score: the same room is worst on an edge node, best on a cloud node.
    const scarcer = memoryLeft <= cpuLeft ? "memory" : "CPU";
    const raw = `${Math.round(left)} % of ${scarcer} left`;
    return node.kind === "cloud"
      ? { score: clampScore(100 - left), raw: `${raw}; cloud nodes are packed` }
      : { score: clampScore(left), raw };
  },
};
