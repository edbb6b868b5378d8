import { MAX_STREAMS_PER_NODE } from "../../../../shared/protocol/streams.ts";
import { counted } from "../format.ts";
import type { Filter } from "./filter.ts";

/**
 * A node runs so many streams and leaves the others unread, so a deployment with streams goes where all of them run. One that is
 * there already stays, and gets its next version there.
 */
export const streamLimit: Filter = {
  code: "has-streams",
  keyOf: ({ deployment }) => deployment.spec.streams?.length ?? 0,
  isOpenTo: ({ deployment }) => (deployment.spec.streams?.length ?? 0) === 0,
  refuse({ node, placements, streamsBy }, { deployment }, own) {
    const declared = deployment.spec.streams?.length ?? 0;
    if (declared === 0 || own.some((placement) => placement.deployment === deployment.name)) return undefined;
    const others = new Set(placements.map((placement) => placement.deployment ?? ""));
    const taken = [...others].reduce((sum, name) => sum + (streamsBy.get(name) ?? 0), 0);
    if (taken + declared <= MAX_STREAMS_PER_NODE) return undefined;
    return {
      verdict: "not now",
      sentence: `${node.name} runs ${taken} of ${MAX_STREAMS_PER_NODE} streams, and ${deployment.name} declares ${declared}`,
    };
  },
  wouldLift: ({ placements, streamsBy }, { deployment }) => {
    const others = new Set(placements.map((placement) => placement.deployment ?? ""));
    const taken = [...others].reduce((sum, name) => sum + (streamsBy.get(name) ?? 0), 0);
    const declared = deployment.spec.streams?.length ?? 0;
    if (declared > MAX_STREAMS_PER_NODE) return undefined;
    return `move deployments with ${counted(taken + declared - MAX_STREAMS_PER_NODE, "stream")} away from it`;
  },
};
