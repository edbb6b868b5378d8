import { clampScore, type Score } from "./score.ts";

const COLD_MS = 60_000;
/** What a push is taken to run at until transfers to the node were measured, in bytes per ms (8 MiB/s). */
const ASSUMED_BYTES_PER_MS = 8_388;

/** How soon the version could serve there. */
export const warmStart: Score = {
  name: "warm",
  zeroMeans: "60 s or more until it is ready",
  hundredMeans: "it runs there already",
  of({ placements }, { version }) {
    const here = placements.find(
      (placement) => placement.model === version.model && placement.version === version.version,
    );
    if (here?.state === "ready") return { score: 100, raw: "ready" };
    const untilReadyMs = version.bytes / ASSUMED_BYTES_PER_MS;
    return {
      score: clampScore(100 * (1 - untilReadyMs / COLD_MS)),
      raw: `about ${(untilReadyMs / 1_000).toFixed(1)} s to push`,
    };
  },
};
