import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** CPU and memory are used equally, so that neither is left unused. */
export const balance: Score = {
  name: "balance",
  zeroMeans: "one of CPU and memory is full while the other is idle",
  hundredMeans: "both are used alike",
  keyOf: ({ memMiB }) => memMiB,
  points(candidate, request) {
    return clampScore(100 * (1 - Math.abs(memoryShare(candidate, request) - cpuShare(candidate))));
  },
  raw(candidate, request) {
    const memory = Math.round(memoryShare(candidate, request) * 100);
    return `memory ${memory} %, CPU ${Math.round(cpuShare(candidate) * 100)} %`;
  },
};

const memoryShare = ({ usableMiB, reservedMiB }: Candidate, { memMiB }: PlacementRequest): number =>
  usableMiB === 0 ? 1 : Math.min(1, (reservedMiB + memMiB) / usableMiB);

const cpuShare = ({ node }: Candidate): number => (node.load?.cpuPct ?? 50) / 100;
