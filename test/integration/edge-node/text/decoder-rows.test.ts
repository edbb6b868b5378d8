import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { openDecoder, type OpenedDecoder } from "../../../../edge-node/model-host/generate/decoder-runtime.ts";
import { type Control, GREEDY } from "../../../../edge-node/model-host/text/text-runtime.ts";
import { seededRandom } from "../../../../shared/base/random.ts";
import { writeServedDecoder } from "../../../support/models/text/served-decoder.ts";
import { TOKENS } from "../../../support/models/text/tiny-alphabet.ts";
import { tinyDecoder, type TinyDecoder } from "../../../support/models/text/tiny-decoder.ts";

/** What the rows of a decoder compute together, against the exported graph run by hand for one text. */

const SEQUENCES = 8;
const MADE = 16;
const KINDS = ["given", "counted", "fused", "by length"] as const;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-rows-"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function open(name: string, options: TinyDecoder): Promise<OpenedDecoder> {
  const folder = path.join(directory, name);
  const { model } = await writeServedDecoder(folder, options);
  const { decoder, vocabulary } = model;
  if (decoder === undefined) throw new Error("it is no decoder");
  const task = { model: "tiny", version: "1", file: path.join(folder, "model.onnx"), threads: 1 };
  return openDecoder(
    { ...task, contextTokens: 512, sequences: SEQUENCES },
    { directory: folder, decoder: { ...decoder, ends: [] }, vocabulary },
  );
}

/** The likeliest tokens behind a prompt by the graph as it was exported, whose whole cache goes in and comes out each time. */
async function byHand(name: string, options: TinyDecoder, prompts: readonly (readonly number[])[]) {
  const file = path.join(directory, `${name}.onnx`);
  await writeFile(file, tinyDecoder(options)["model.onnx"] ?? new Uint8Array());
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const made: number[][] = [];
  for (const prompt of prompts) made.push(await likeliest(session, prompt));
  await session.release();
  return made;
}

async function likeliest(session: InferenceSession, prompt: readonly number[]): Promise<number[]> {
  const pasts = session.inputNames.filter((name) => name.startsWith("past"));
  let cache: Readonly<Record<string, Tensor>> = Object.fromEntries(
    pasts.map((name) => [name, new Tensor("float32", new Float32Array(0), [1, 2, 0, 16])]),
  );
  const made: number[] = [];
  let next = [...prompt];
  for (let length = 0; made.length < MADE;) {
    const whole = (values: readonly number[]): Tensor =>
      new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    const feeds = {
      input_ids: whole(next),
      attention_mask: whole(Array.from({ length: length + next.length }, () => 1)),
      ...(session.inputNames.includes("position_ids") && { position_ids: whole(next.map((_, at) => length + at)) }),
      ...cache,
    };
    const found = await session.run(feeds);
    length += next.length;
    cache = Object.fromEntries(
      pasts.flatMap((name) => {
        const present = found[name.replace("past_key_values", "present")];
        return present ? [[name, present]] : [];
      }),
    );
    const all = found["logits"]?.data;
    if (!(all instanceof Float32Array)) throw new Error("the graph put out no logits");
    const logits = all.slice(-TOKENS.length);
    const best = logits.indexOf(Math.max(...logits));
    made.push(best);
    next = [best];
  }
  return made;
}

const control = (over: Partial<Control> = {}): Control => ({
  tenant: "",
  isCancelled: () => false,
  onStep: () => undefined,
  onCached: () => undefined,
  ...over,
});

async function answerTo({ runtime }: OpenedDecoder, prompt: readonly number[], how = control()): Promise<number[]> {
  const made: number[] = [];
  for await (const { token } of runtime.generate(prompt, GREEDY, how)) {
    made.push(token);
    if (made.length === MADE) break;
  }
  return made;
}

/** Of 1 to 120 tokens. */
function prompts(count: number): readonly (readonly number[])[] {
  const random = seededRandom(11);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + Math.floor(random.next() ** 2 * 120) }, () => Math.floor(random.next() * TOKENS.length)),
  );
}

describe("the rows of a decoder", () => {
  it.each(KINDS)(
    "are what the graph makes of each text, alone and eight at once, where positions are %s",
    async (kind) => {
      const options: TinyDecoder = { isRandom: true, positions: kind, layers: 2 };
      const opened = await open(`rows ${kind}`, options);
      const asked = prompts(50);
      const expected = await byHand(`rows ${kind}`, options, asked);
      const alone: number[][] = [];
      for (const [at, prompt] of asked.entries())
        alone.push(await answerTo(opened, prompt, control({ tenant: `alone ${at}` })));
      expect(alone).toEqual(expected);
      const together = await Promise.all(
        asked.map((prompt, at) => answerTo(opened, prompt, control({ tenant: `together ${at}` }))),
      );
      expect(together).toEqual(expected);
    },
  );

  it.each(KINDS)(
    "go on from a prefix that is in the cache as if it were computed, where positions are %s",
    async (kind) => {
      const options: TinyDecoder = { isRandom: true, positions: kind, layers: 2 };
      const opened = await open(`prefix ${kind}`, options);
      const [start = []] = prompts(9).filter(({ length }) => length > 60);
      const turns = [start, [...start.slice(0, 50), 5, 6, 7], [...start, 9, 8, 7]];
      const expected = await byHand(`prefix ${kind}`, options, turns);
      const cached: number[] = [];
      for (const [at, turn] of turns.entries()) {
        const how = control({ onCached: (tokens) => cached.push(tokens) });
        expect(await answerTo(opened, turn, how)).toEqual(expected[at]);
      }
      expect(cached).toEqual([0, 50, 50]);
    },
  );

  it("copy the beginning of a text that is under way, of the same tenant alone", async () => {
    const options: TinyDecoder = { isRandom: true, layers: 2 };
    const opened = await open("fork", options);
    const [start = []] = prompts(9).filter(({ length }) => length > 60);
    const other = [...start.slice(0, 55), 1, 2, 3];
    const expected = await byHand("fork", options, [start, other]);
    const cached: number[] = [];
    const how = (tenant: string): Control => control({ tenant, onCached: (tokens) => cached.push(tokens) });
    const running = opened.runtime.generate(start, GREEDY, how("a"));
    const made = [(await running.next()).value?.token];
    expect(await answerTo(opened, other, how("a"))).toEqual(expected[1]);
    expect(await answerTo(opened, other, how("b"))).toEqual(expected[1]);
    for await (const { token } of running) if (made.push(token) === MADE) break;
    expect(made).toEqual(expected[0]);
    expect(cached).toEqual([0, 55, 0]);
  });

  it("share runs where trials find no difference, and say why where they do", async () => {
    const reasonOf = async (name: string, options: TinyDecoder) =>
      (await open(name, { isRandom: true, ...options })).noBatchReason;
    expect(await reasonOf("given", {})).toBeUndefined();
    expect(await reasonOf("fused", { positions: "fused" })).toBeUndefined();
    expect(await reasonOf("length", { positions: "by length" })).toMatch(
      /takes positions from the length of its cache/,
    );
    expect(await reasonOf("quantised", { isQuantised: true })).toMatch(/depends on the other texts of its run/);
  });

  it("end within a step when nobody wants a text any more, and go on with the others", async () => {
    const options: TinyDecoder = { isRandom: true };
    const opened = await open("cancelled", options);
    const asked = prompts(4);
    const expected = await byHand("cancelled", options, asked);
    let isCancelled = false;
    const dropped = opened.runtime.generate([1, 2, 3], GREEDY, control({ isCancelled: () => isCancelled }));
    await dropped.next();
    const others = asked.map((prompt) => answerTo(opened, prompt));
    isCancelled = true;
    expect(await dropped.next()).toMatchObject({ done: true });
    expect(await Promise.all(others)).toEqual(expected);
  });

  it("end within a step while their prompts wait for others, too", async () => {
    const { runtime } = await open("dropped", { isRandom: true });
    let steps = 0;
    const onStep = (): unknown => (steps += 1);
    const isCancelled = (): boolean => steps > 0;
    const [longest = []] = prompts(20).toSorted((a, b) => b.length - a.length);
    const running = Array.from({ length: SEQUENCES - 1 }, (_, at) =>
      runtime.generate([at, ...longest], GREEDY, control({ tenant: `${at}`, onStep })),
    );
    const others = running.map((text) => text.next());
    const dropped = runtime.generate([9, ...longest], GREEDY, control({ isCancelled }));
    expect(await dropped.next()).toMatchObject({ done: true });
    expect(steps).toBeLessThan(3);
    expect((await Promise.all(others)).every(({ done }) => done === false)).toBe(true);
    await Promise.all(running.map((text) => text.return()));
  });
});
