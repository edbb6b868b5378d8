import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** Room left after placement: the scarcer of memory and CPU. Mirrored on cloud nodes, which pack so that the pool can shrink. */
export const headroom: Score = {
  name: "headroom",
  zeroMeans: "memory or CPU is full after the placement",
  hundredMeans: "the node stays empty (on a cloud node: full)",
  keyOf: ({ memMiB }) => memMiB,
  points(candidate, request) {
    const left = 100 * Math.min(memoryLeft(candidate, request), cpuLeft(candidate));
    return clampScore(candidate.node.kind === "cloud" ? 100 - left : left);
  },
  raw(candidate, request) {
    const [memory, cpu] = [memoryLeft(candidate, request), cpuLeft(candidate)];
    // The raw value alone would read as a contradiction beside the score: the same room is worst on an edge node, best on a cloud node.
    const raw = `${Math.round(100 * Math.min(memory, cpu))} % of ${memory <= cpu ? "memory" : "CPU"} left`;
    return candidate.node.kind === "cloud" ? `${raw}; cloud nodes are packed` : raw;
  },
};

const memoryLeft = ({ usableMiB, reservedMiB }: Candidate, { memMiB }: PlacementRequest): number =>
  usableMiB === 0 ? 0 : 1 - (reservedMiB + memMiB) / usableMiB;

const cpuLeft = ({ node }: Candidate): number => 1 - (node.load?.cpuPct ?? 50) / 100;
