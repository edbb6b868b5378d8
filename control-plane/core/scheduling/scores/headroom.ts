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
    return { score: clampScore(node.kind === "cloud" ? 100 - left : left), raw: `${Math.round(left)} % left` };
  },
};
