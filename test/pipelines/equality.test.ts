import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { parseCsv } from "../../edge-node/model-host/pipeline/csv.ts";
import { openTokenizer } from "../../edge-node/model-host/embed/tokenizer.ts";
import { realFft } from "../../edge-node/model-host/pipeline/fft.ts";
import { openDecoders } from "../../edge-node/model-host/pipeline/picture-decoders.ts";
import { readNpy } from "../../shared/inference/samples/npy.ts";
import { STEP_KINDS } from "../../shared/pipeline/registry.ts";
import type { Tools } from "../../shared/pipeline/step.ts";
import type { Value, ValueType } from "../../shared/pipeline/values.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";

/** Each step beside the Python library that people train with, on real files. The largest difference of each is printed. */

const run = promisify(execFile);
const cases = z.array(
  z.object({
    name: z.string(),
    kind: z.enum(["picture", "tensor", "sound", "table", "text", "ties"]),
    steps: z.array(z.record(z.string(), z.unknown())),
    input: z.string(),
    expected: z.string(),
  }),
);
type Case = z.infer<typeof cases>[number];

/** Pictures in levels of 255; tensors out of them in 1/255 of their range of about 5; the others relative to the largest number; tokens are equal, but for those of
 * Unigram: of two splits that are equally likely, either may be taken, so their share among all is what is limited. */
const LIMITS: Readonly<Record<Case["kind"], number>> = {
  picture: 1,
  tensor: 1 / 255,
  sound: 1e-4,
  table: 1e-4,
  text: 0,
  ties: 0.01,
};

let folder: string;
let all: readonly Case[];
let tools: Tools;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-equality-"));
  const python = await pythonWith(path.join(import.meta.dirname, "requirements.txt"));
  await run(python, [path.join(import.meta.dirname, "reference.py"), folder], { maxBuffer: 2 ** 26 });
  all = cases.parse(JSON.parse(await readFile(path.join(folder, "cases.json"), "utf8")));
  tools = {
    ...(await openDecoders()),
    parseCsv,
    realFft,
    openTokenizer: (file) => openTokenizer(path.join(folder, file)),
  };
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Numbers of the last value, after all steps of a case. */
function numbersAfter(steps: Case["steps"], file: Uint8Array): ArrayLike<number> {
  let value: Value = { kind: "bytes", elements: [file] };
  let type: ValueType = { kind: "bytes" };
  for (const entry of steps) {
    const [[name, params] = ["", {}]] = Object.entries(entry);
    const step = STEP_KINDS.get(name)?.with(params);
    if (step === undefined) throw new Error(`there is no step ${name}`);
    const made = step.check(type);
    value = step.build(type, tools)(value);
    type = made;
  }
  if (value.kind === "pictures") return value.pictures[0]?.data ?? [];
  if (value.kind === "signals") return value.signals[0] ?? [];
  if (value.kind === "tensor" && !Array.isArray(value.data)) return Array.from(value.data, Number);
  if (value.kind === "tensors") return [...value.tensors.values()].flatMap(({ data }) => Array.from(data, Number));
  throw new Error(`${value.kind} is not compared`);
}

async function differenceOf({ kind, steps, input, expected }: Case): Promise<number> {
  const found = numbersAfter(steps, await readFile(path.join(folder, input)));
  const { data } = readNpy(await readFile(path.join(folder, expected)), expected);
  if (found.length !== data.length) return Infinity;
  if (kind === "ties") return differingShare(found, Array.from(data, Number));
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < found.length; i += 1) {
    const right = Number(data[i]);
    worst = Math.max(worst, Math.abs(right - (found[i] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(right));
  }
  return kind === "picture" || kind === "tensor" ? worst : worst / (largest || 1);
}

const differingShare = (found: ArrayLike<number>, right: readonly number[]): number =>
  right.filter((value, i) => value !== found[i]).length / right.filter((value) => value !== 0).length;

describe("the steps of pipelines", () => {
  it.each(Object.keys(LIMITS) as Case["kind"][])(
    "make of each %s what Python makes of it",
    async (kind) => {
      const found: { readonly name: string; readonly difference: number }[] = [];
      for (const each of all.filter((one) => one.kind === kind))
        found.push({ name: each.name, difference: await differenceOf(each) });
      const lines = found.map(({ name, difference }) => `  ${difference.toExponential(2).padStart(9)}  ${name}`);
      process.stdout.write(
        `${kind}, largest difference (limit ${LIMITS[kind].toExponential(2)})\n${lines.join("\n")}\n`,
      );
      expect(found.length).toBeGreaterThan(0);
      expect(found.filter(({ difference }) => !(difference <= LIMITS[kind]))).toEqual([]);
    },
    600_000,
  );
});
