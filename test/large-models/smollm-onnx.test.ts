import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { promisify } from "node:util";
import { DecoderTokenizer } from "../../edge-node/model-host/generate/decoder-tokenizer.ts";
import { smollm } from "../support/models/text/smollm.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";

/** A real decoder in ONNX, made and published by the example's own script, against Python's onnxruntime with the same graph. */

const EXAMPLE = path.join(import.meta.dirname, "../../examples/chat");
const TOKENS = 16;
const ROWS = 8;
/** The token that ends a text. */
const END = 2;
const PLACES = ["France", "Italy", "Japan", "Norway", "Peru", "Kenya", "Canada", "India", "Spain", "Chile"];
const PROMPTS = PLACES.flatMap((place) => [
  `The capital of ${place} is`,
  `The people of ${place} are known for`,
  `Once upon a time, in a small village in ${place}, there lived`,
  `A short list of things to see in ${place}: first,`,
  `${place} is a country in which the weather`,
]);
const run = promisify(execFile);

let database: TestDatabase;
let cluster: SkerryCluster;
let said: string;
/** What Python's onnxruntime makes of each prompt. */
let expected: readonly string[];

beforeAll(async () => {
  const python = await pythonWith(path.join(import.meta.dirname, "requirements-decoder.txt"));
  const folder = path.join(path.dirname((await smollm()).file), "..");
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  const env = { ...process.env, SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, PYTHON: python };
  const pushed = await run(path.join(EXAMPLE, "start-onnx.sh"), [folder], { cwd: path.join(EXAMPLE, "../.."), env });
  said = pushed.stderr + pushed.stdout;
  const onnx = path.join(folder, "smollm-onnx");
  const object = (name: string): object => JSON.parse(readFileSync(path.join(onnx, name), "utf8")) as object;
  const words = new DecoderTokenizer(object("tokenizer.json"), object("tokenizer_config.json"));
  const prompts = PROMPTS.map((prompt) => words.tokenize(prompt, { hasSpecials: false }));
  const script = path.join(import.meta.dirname, "greedy_onnx.py");
  const greedy = spawn(python, [script, onnx, String(TOKENS)], { stdio: ["pipe", "pipe", "inherit"] });
  greedy.stdin.end(JSON.stringify(prompts));
  const [printed] = await Promise.all([textOf(greedy.stdout), once(greedy, "close")]);
  const { made } = JSON.parse(printed) as { made: number[][] };
  expected = made.map((tokens) => words.textOf(tokens.slice(0, [...tokens, END].indexOf(END)), []));
}, 900_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

async function answerTo(prompt: string): Promise<string> {
  const answer = await fetch(`${cluster.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "smollm-onnx", prompt, max_tokens: TOKENS, temperature: 0 }),
  });
  const { choices } = (await answer.json()) as { choices?: { text: string }[] };
  return choices?.[0]?.text ?? `status ${answer.status}`;
}

describe("SmolLM2-135M-Instruct as a decoder in ONNX", () => {
  it("is recognised by its folder", () => {
    expect(said).toMatch(/is an export of a decoder with its tokenizer: model\.onnx is pushed/);
    expect(said).toContain("It writes text: llama, 30 layers, 4 bit, trained for 8192 tokens of context.");
    expect(said).toMatch(/A replica needs \d+ MiB for 4 requests at once .* of cache a token/);
  });

  it("says that the capital of France is Paris", async () => {
    expect(await answerTo("The capital of France is")).toMatch(/^ Paris/);
  }, 60_000);

  it("makes of fifty prompts, one after the other, what Python's onnxruntime makes of them", async () => {
    const answers: string[] = [];
    for (const prompt of PROMPTS) answers.push(await answerTo(prompt));
    expect(answers).toEqual(expected);
  }, 300_000);

  it("makes the same of nearly all of them eight at once, where activations are in 8 bits", async () => {
    const left = [...PROMPTS.entries()];
    const answers: string[] = [];
    const next = async (): Promise<void> => {
      for (let each = left.shift(); each !== undefined; each = left.shift()) answers[each[0]] = await answerTo(each[1]);
    };
    await Promise.all(Array.from({ length: ROWS }, next));
    const others = answers.filter((answer, at) => answer !== expected[at]);
    expect(others.length).toBeLessThanOrEqual(PROMPTS.length / 10);
  }, 300_000);
});
