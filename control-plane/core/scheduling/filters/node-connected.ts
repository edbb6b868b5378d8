import { formatDuration } from "../format.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import type { Filter } from "./filter.ts";

/** The node is ready: connected, and heard in both directions. */
export const nodeConnected: Filter = {
  code: "node-connected",
  keyOf: ofNodeAlone,
  refuse({ node, state, silentMs }) {
    switch (state) {
      case "ready":
        return undefined;
      case "revoked":
        return { verdict: "never", sentence: `${node.name} was revoked` };
      case "waiting":
        return { verdict: "not now", sentence: `${node.name} waits for an operator to approve it` };
      case "pending":
        return { verdict: "not now", sentence: `${node.name} has not connected yet` };
      case "suspect":
      case "detached":
      case "lost":
        return {
          verdict: "not now",
          sentence: `${node.name} is ${state} (heard ${formatDuration(silentMs)} ago)`,
          cause: `${node.name} is ${state}`,
        };
    }
  },
  wouldLift({ state }) {
    if (state === "waiting") return "approve it";
    if (state === "pending") return "start it";
    return state === "revoked" || state === "ready" ? undefined : "connect it again";
  },
};
