import { messageOf } from "../../../shared/base/errors.ts";
import { CacheBlock, type Numbers } from "./cache-block.ts";
import type { DecoderGraph } from "./decoder-graph.ts";

/** Rows of one run, which the same kernels compute: as a part of the largest logit. Quantisation over a whole run is off by 1e-2. */
const SAME_RUN = 1e-4;
/**
 * Runs of other sizes add in another order, and with activations in 8 bits that moves a mean logit by 3e-3 of the largest one;
 * positions that are off by the room move it by a part of ten. Where positions are given they cannot be off.
 */
const OTHER_RUN = { given: 0.1, inferred: 0.01 } as const;
/** Tokens of the texts that are tried, and for how many there is room. */
const LENGTHS = [3, 17, 9] as const;
const ROOM = 64;
const PRIME = 7_919;

/**
 * Which runs a graph allows, tried with made-up texts. Undefined: texts of several lengths may share a run; else why not. Whether
 * there may be room behind a text is set at `graph`.
 */
export async function whyAlone(graph: DecoderGraph, vocabulary: number): Promise<string | undefined> {
  const texts = LENGTHS.map((length, text) =>
    Array.from({ length: length + 1 }, (_, at) => ((text + 1) * PRIME * (at + 1)) % vocabulary),
  );
  const tolerance = graph.decoder.inputs.includes("position_ids") ? OTHER_RUN.given : OTHER_RUN.inferred;
  try {
    graph.hasRoom = false;
    const blocks: CacheBlock[] = [];
    for (const text of texts) {
      const block = CacheBlock.empty(graph.decoder);
      await graph.run(block, [text.slice(0, -1)], { hasLogits: false });
      blocks.push(block);
    }
    const lasts = texts.map((text) => text.slice(-1));
    /** The logits behind these texts in one run, with so much room. */
    const behind = async (which: readonly number[], room: number): Promise<readonly Numbers[]> => {
      const rows = which.flatMap((at) => blocks.slice(at, at + 1).map((block) => ({ block, row: 0 })));
      graph.hasRoom = room > 0;
      const tokens = which.map((at) => lasts[at] ?? []);
      const logits = await graph.run(CacheBlock.of(rows, room), tokens, { hasLogits: true });
      const width = logits.length / which.length;
      return which.map((_, at) => logits.subarray(at * width, (at + 1) * width));
    };
    for (const at of texts.keys())
      if (differences(await behind([at], 0), await behind([at], ROOM)).mean > tolerance) {
        graph.hasRoom = false;
        return "the graph takes positions from the length of its cache: each text runs alone";
      }
    const together = await behind([...texts.keys()], ROOM);
    for (const at of texts.keys()) {
      const same = texts.map(() => at);
      const alike = (await behind(same, ROOM)).slice(at, at + 1);
      if (differences(alike, together.slice(at, at + 1)).most > SAME_RUN)
        return "an answer depends on the other texts of its run, as with dynamic quantisation: each text runs alone";
    }
    return undefined;
  } catch (error) {
    graph.hasRoom = false;
    return `a trial failed: ${messageOf(error).replaceAll(/\s+/g, " ").slice(0, 200)}`;
  }
}

/** Between the logits of one text, as parts of the largest one. */
function differences(
  [a]: readonly Numbers[],
  [b]: readonly Numbers[],
): { readonly mean: number; readonly most: number } {
  if (a === undefined || b === undefined || a.length !== b.length) return { mean: Infinity, most: Infinity };
  let [largest, most, sum] = [0, 0, 0];
  for (let token = 0; token < a.length; token += 1) {
    const difference = Math.abs((a[token] ?? 0) - (b[token] ?? 0));
    largest = Math.max(largest, Math.abs(a[token] ?? 0));
    most = Math.max(most, difference);
    sum += difference;
  }
  if (Number.isNaN(sum)) return { mean: Infinity, most: Infinity };
  return largest === 0 ? { mean: most, most } : { mean: sum / a.length / largest, most: most / largest };
}
