import { CacheBlock, type Numbers } from "./cache-block.ts";
import type { DecoderGraph } from "./decoder-graph.ts";

/**
 * Rows share a run when their lengths differ by so many tokens at most. What a shorter row is padded with is attended to for
 * nothing, and the weights are read once for both: with a small model both are even at some 350 tokens.
 */
const MOST_APART = 256;

/** The cache of one text, wherever it is at the moment. */
export class Row {
  batch: Batch;
  /** Its place in the block of the batch. */
  at = 0;

  constructor(block: CacheBlock) {
    this.batch = { block, rows: [this] };
  }

  get length(): number {
    return this.batch.block.lengthOf(this.at);
  }
}

interface Batch {
  readonly block: CacheBlock;
  /** In the order of the block. */
  readonly rows: readonly Row[];
}

interface Computed {
  /** Of the token that follows; empty where they were not wanted. */
  readonly logits: Numbers;
  /** What the step took. */
  readonly ms: number;
}

interface Waiting {
  readonly row: Row;
  readonly tokens: readonly number[];
  readonly hasLogits: boolean;
  /** Nobody wants the text any more. */
  readonly isCancelled: () => boolean;
  readonly resolve: (computed: Computed | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** What a text waits for. */
type Wanted = Pick<Waiting, "hasLogits" | "isCancelled">;

/**
 * Computes what the texts of a model need, step by step: a token of each text that waits for one, and then a part of one prompt. A
 * text joins between two steps, and leaves by not asking for another one, or while it waits for others: then it is answered by
 * undefined. Between two steps the process reads what came.
 */
export class StepLoop {
  readonly #graph: DecoderGraph;
  readonly #sharesRuns: boolean;
  readonly #decodes: Waiting[] = [];
  readonly #prompts: Waiting[] = [];
  #isRunning = false;

  constructor(graph: DecoderGraph, { sharesRuns }: { readonly sharesRuns: boolean }) {
    this.#graph = graph;
    this.#sharesRuns = sharesRuns;
  }

  /** Adds a part of a prompt to the row. */
  prompt(row: Row, tokens: readonly number[], wanted: Wanted): Promise<Computed | undefined> {
    return this.#wait(this.#prompts, { row, tokens, ...wanted });
  }

  /** Adds one token to the row. */
  token(row: Row, token: number, isCancelled: () => boolean): Promise<Computed | undefined> {
    return this.#wait(this.#decodes, { row, tokens: [token], hasLogits: true, isCancelled });
  }

  #wait(queue: Waiting[], what: Omit<Waiting, "resolve" | "reject">): Promise<Computed | undefined> {
    return new Promise((resolve, reject) => {
      queue.push({ ...what, resolve, reject });
      if (this.#isRunning) return;
      this.#isRunning = true;
      setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#decodes.length > 0 || this.#prompts.length > 0) {
      // All prompts, not the next one alone: a place is free within a step, however many wait before its text.
      for (const queue of [this.#decodes, this.#prompts]) dropCancelled(queue);
      for (const group of this.#groups(this.#decodes.splice(0))) {
        await this.#step(group);
        // The run was synchronous: what came meanwhile, a cancellation perhaps, is read before the next one.
        await new Promise(setImmediate);
      }
      const prompt = this.#prompts.shift();
      if (prompt === undefined) continue;
      await this.#step([prompt]);
      await new Promise(setImmediate);
    }
    this.#isRunning = false;
  }

  /** Those that are nearly as long, the shortest first. */
  #groups(waiting: readonly Waiting[]): readonly (readonly Waiting[])[] {
    if (!this.#sharesRuns) return waiting.map((each) => [each]);
    const groups: Waiting[][] = [];
    for (const each of waiting.toSorted((a, b) => a.row.length - b.row.length)) {
      const last = groups.at(-1);
      const [shortest] = last ?? [];
      if (last && shortest && each.row.length - shortest.row.length <= MOST_APART) last.push(each);
      else groups.push([each]);
    }
    return groups;
  }

  async #step(waiting: readonly Waiting[]): Promise<void> {
    try {
      const { block, rows } = together(waiting.map(({ row }) => row));
      const of = new Map(waiting.map((each) => [each.row, each]));
      const tokens = rows.map((row) => of.get(row)?.tokens ?? []);
      const before = performance.now();
      const logits = await this.#graph.run(block, tokens, { hasLogits: waiting.some((each) => each.hasLogits) });
      const ms = performance.now() - before;
      const width = logits.length / rows.length;
      rows.forEach((row, at) => of.get(row)?.resolve({ logits: logits.subarray(at * width, (at + 1) * width), ms }));
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}

/** Takes out of a queue those that nobody wants any more. */
function dropCancelled(queue: Waiting[]): void {
  for (const each of queue.splice(0)) {
    if (each.isCancelled()) each.resolve(undefined);
    else queue.push(each);
  }
}

/** A batch of exactly these rows. The others of their batches stay together. */
function together(rows: readonly Row[]): Batch {
  const wanted = new Set(rows);
  const batches = new Set(rows.map(({ batch }) => batch));
  const [only] = batches;
  if (only !== undefined && batches.size === 1 && only.rows.length === rows.length) return only;
  const all = [...batches].flatMap((batch) => batch.rows);
  const mine = all.filter((row) => wanted.has(row));
  const others = [...batches].map((batch) => batch.rows.filter((row) => !wanted.has(row)));
  const [batch] = regroup([mine, ...others.filter((rest) => rest.length > 0)]);
  if (batch === undefined) throw new Error("a step has at least one row");
  return batch;
}

/** Moves the rows of each group into a block of their own. Their batches have no other rows that are needed. */
function regroup(groups: readonly (readonly Row[])[]): readonly Batch[] {
  const blocks = CacheBlock.move(groups.map((rows) => rows.map((row) => ({ block: row.batch.block, row: row.at }))));
  return blocks.map((block, group) => {
    const batch = { block, rows: groups[group] ?? [] };
    batch.rows.forEach((row, at) => {
      row.batch = batch;
      row.at = at;
    });
    return batch;
  });
}

/** Leaves in `row` the first `length` tokens of `from`, which may be itself, and copies them if they are another's. */
export function keepFirst(row: Row, from: Row, length: number): void {
  if (from !== row || length === 0) {
    const { block } = from.batch;
    const own = length === 0 ? CacheBlock.empty(block.shape) : CacheBlock.of([{ block, row: from.at, length }]);
    leave(row);
    row.batch = { block: own, rows: [row] };
    row.at = 0;
  }
  row.batch.block.truncate(row.at, length);
}

/** The other rows of its batch go on without it, and what it held is freed. */
function leave(row: Row): void {
  const rest = row.batch.rows.filter((each) => each !== row);
  if (rest.length > 0) regroup([rest]);
  else row.batch.block.free();
}
