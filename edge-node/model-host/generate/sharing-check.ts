import { messageOf } from "../../../shared/base/errors.ts";
import { CacheBlock, type Numbers } from "./cache-block.ts";
import type { DecoderGraph } from "./decoder-graph.ts";

/** As a part of the largest logit: kernels add in another order for more rows. Quantisation over a whole run is off by 1e-2. */
const TOLERANCE = 1e-3;
/** Tokens of the texts that are tried. */
const LENGTHS = [3, 17, 9] as const;
const PRIME = 7_919;

/**
 * What a graph bears, tried with made-up texts against the same ones computed alone and without room behind them. Undefined:
 * texts of several lengths may share a run; else why not, and whether there may be room behind a text is set at `graph`.
 */
export async function whyAlone(graph: DecoderGraph, vocabulary: number): Promise<string | undefined> {
  const texts = LENGTHS.map((length, text) =>
    Array.from({ length: length + 1 }, (_, at) => ((text + 1) * PRIME * (at + 1)) % vocabulary),
  );
  try {
    graph.hasRoom = false;
    const alone: Numbers[] = [];
    for (const text of texts) alone.push(await lastOf(graph, text));
    graph.hasRoom = true;
    for (const [at, text] of texts.entries())
      if (!isSame(await lastOf(graph, text), alone[at])) {
        graph.hasRoom = false;
        return "the graph takes positions from the length of its cache: each text runs alone";
      }
    const blocks: CacheBlock[] = [];
    for (const text of texts) blocks.push(await read(graph, text.slice(0, -1)));
    const block = CacheBlock.of(blocks.map((each) => ({ block: each, row: 0 })));
    const logits = await graph.run(
      block,
      texts.map((text) => text.slice(-1)),
      { hasLogits: true },
    );
    const width = logits.length / texts.length;
    const differs = texts.some((_, at) => !isSame(logits.subarray(at * width, (at + 1) * width), alone[at]));
    return differs
      ? "an answer depends on the other texts of its run, as with dynamic quantisation: each text runs alone"
      : undefined;
  } catch (error) {
    graph.hasRoom = false;
    return `a trial failed: ${messageOf(error).replaceAll(/\s+/g, " ").slice(0, 200)}`;
  }
}

/** The logits behind a text whose last token is computed from the cache of the others. */
async function lastOf(graph: DecoderGraph, text: readonly number[]): Promise<Numbers> {
  const block = await read(graph, text.slice(0, -1));
  return graph.run(block, [text.slice(-1)], { hasLogits: true });
}

async function read(graph: DecoderGraph, text: readonly number[]): Promise<CacheBlock> {
  const block = CacheBlock.empty(graph.decoder);
  await graph.run(block, [text], { hasLogits: false });
  return block;
}

function isSame(a: Numbers, b: Numbers | undefined): boolean {
  if (b === undefined || a.length !== b.length) return false;
  let largest = 0;
  for (const value of b) largest = Math.max(largest, Math.abs(value));
  return a.every((value: number, at: number) => Math.abs(value - (b[at] ?? Number.NaN)) <= TOLERANCE * largest);
}
