import { formatDuration } from "../format.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import type { Filter } from "./filter.ts";

/** The node's connection did not just break again and again. What it holds stays there. */
export const nodeTrusted: Filter = {
  code: "node-trusted",
  keyOf: ofNodeAlone,
  refuse({ node, quarantine }, { now }) {
    if (!quarantine || quarantine.until <= now) return undefined;
    const cause = `${node.name} is in quarantine: its connection broke again and again`;
    return {
      verdict: "not now",
      sentence: `${node.name} is in quarantine for another ${formatDuration(quarantine.until - now)}: ${quarantine.disconnects} disconnects`,
      cause,
    };
  },
};
