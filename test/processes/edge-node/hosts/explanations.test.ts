import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { exportOnnx } from "../../../../examples/digits/export-onnx.ts";
import { SeededRandom } from "../../../../examples/digits/random.ts";
import { MODEL_RECIPES } from "../../../../examples/digits/recipes.ts";
import { readDigitSamples } from "../../../../examples/digits/samples.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const MODELS = path.resolve(import.meta.dirname, "../../../../examples/digits/models");
const PIXELS = 784;
const DIGITS = readDigitSamples();

let directory: string;
let hosts: ProcessModelHosts;
const running: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-explained-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});

afterEach(() => Promise.all(running.splice(0).map((host) => host.stop(0))));
afterAll(() => rm(directory, { recursive: true, force: true }));

async function start(name: string, file?: Uint8Array): Promise<ModelHost> {
  const folder = path.join(directory, `${name}-${running.length}`);
  await mkdir(folder, { recursive: true });
  const model = path.join(folder, MODEL_FILE);
  await (file === undefined ? cp(path.join(MODELS, `${name}.onnx`), model) : writeFile(model, file));
  const limits = { memMiB: 512, maxBatch: 64, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p", model: name, version: "1", directory: folder, limits };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.push(host);
  return host;
}

interface Ask {
  readonly parameters?: Readonly<Record<string, string | number>>;
  readonly explain?: boolean;
  readonly leftMs?: number;
  readonly cancellation?: Cancellation;
}

function ask(
  host: ModelHost,
  rows: readonly Float32Array[],
  { parameters = {}, ...how }: Ask = {},
): Promise<HostResponse> {
  const data = rows.flatMap((row) => [...row]);
  const inputs = [{ name: "image", datatype: "FP32", shape: [rows.length, 1, 28, 28], data }];
  const body = Buffer.from(JSON.stringify({ parameters, inputs }));
  return host.infer({ body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 64, ...how });
}

const outputsOf = (answer: HostResponse): readonly Tensor[] =>
  decodeResponse(bytesOf(answer), answer.headerLength).outputs;
const errorOf = (answer: HostResponse): string =>
  (JSON.parse(Buffer.from(bytesOf(answer)).toString("utf8")) as { readonly error: string }).error;

async function mapOf(host: ModelHost, row: Float32Array, parameters: Ask["parameters"] = {}): Promise<Float32Array> {
  const answer = await ask(host, [row], { parameters, explain: true });
  expect(answer).toMatchObject({ status: 200, isExplained: true });
  const map = outputsOf(answer).find(({ name }) => name === "explanation");
  return Float32Array.from(map?.data ?? [], Number);
}

/** The probability that the model gives to `label`, for each of the pictures. */
async function scoresOf(host: ModelHost, rows: readonly Float32Array[], label: number): Promise<readonly number[]> {
  const [scores] = outputsOf(await ask(host, rows));
  return rows.map((_, i) => Number(scores?.data[i * 10 + label]));
}

describe("an explained answer of a model host", () => {
  it("has the outputs of a plain one and the influence of each pixel", async () => {
    const host = await start("digits");
    const rows = DIGITS.slice(0, 2).map(({ pixels }) => pixels);
    const plain = outputsOf(await ask(host, rows));
    const answer = await ask(host, rows, { explain: true });
    const [probabilities, explanation] = outputsOf(answer);
    expect(probabilities).toEqual(plain[0]);
    expect(explanation).toMatchObject({ name: "explanation", datatype: "FP32", shape: [2, 1, 28, 28] });
    expect(Buffer.from(bytesOf(answer)).toString("latin1")).toContain(
      '"parameters":{"skerry_explain":"occlusion","skerry_explain_input":"image","skerry_explain_output":"probabilities"}',
    );
  });

  it("is the same, bit by bit, from two hosts and twice from one, and of a row with or without others", async () => {
    const [one, other] = [await start("digits"), await start("digits")];
    const [first, second] = DIGITS.map(({ pixels }) => pixels);
    if (first === undefined || second === undefined) throw new Error("there are no digits");
    for (const skerry_explain of ["occlusion", "integrated-gradients"]) {
      const map = await mapOf(one, first, { skerry_explain });
      expect(await mapOf(one, first, { skerry_explain })).toEqual(map);
      expect(await mapOf(other, first, { skerry_explain })).toEqual(map);
      const both = await ask(other, [second, first], { parameters: { skerry_explain } });
      expect(outputsOf(both)[1]?.data.slice(PIXELS)).toEqual(map);
    }
  });

  it("answers the requests before it first, and says of which answers the time is no run's", async () => {
    const host = await start("digits");
    const [row = new Float32Array(PIXELS)] = DIGITS.map(({ pixels }) => pixels);
    const order: string[] = [];
    const noted = (name: string, answer: Promise<HostResponse>): Promise<HostResponse> =>
      answer.then((each) => {
        order.push(name);
        return each;
      });
    const answers = await Promise.all([
      noted("plain", ask(host, [row])),
      noted("explained", ask(host, [row], { explain: true })),
      noted("later", ask(host, [row])),
    ]);
    expect(order).toEqual(["plain", "explained", "later"]);
    expect(answers.map(({ isExplained = false }) => isExplained)).toEqual([false, true, false]);
  });

  it("ends within a run when nobody wants it any more", async () => {
    const host = await start("digits");
    const [row = new Float32Array(PIXELS)] = DIGITS.map(({ pixels }) => pixels);
    const cancellation = new Cancellation();
    // Half a million evaluations: minutes, if it went on.
    const long = {
      skerry_explain: "integrated-gradients",
      skerry_explain_samples: 1_024,
      skerry_explain_evaluations: 262_144,
    };
    const inked = row.filter((value) => value > 0).length;
    expect(inked).toBeGreaterThan(60);
    const few = row.map((value, i) => (i % Math.ceil(inked / 100) === 0 ? value : 0));
    const asked = ask(host, [few], { parameters: long, cancellation });
    const next = ask(host, [row]);
    cancellation.cancel();
    expect((await asked).code).toBe("CANCELLED");
    expect((await next).status).toBe(200);
  });

  it.each<readonly [string, Ask, string, string]>([
    ["time that is too short", { explain: true, leftMs: 1 }, "DEADLINE_EXCEEDED", "when its 1 ms were over"],
    [
      "a budget that is too small",
      { parameters: { skerry_explain: "occlusion", skerry_explain_evaluations: 20 } },
      "INVALID_REQUEST",
      "takes 170 evaluations",
    ],
    [
      "an element that the output does not have",
      { parameters: { skerry_explain: "occlusion", skerry_explain_element: 10 } },
      "INVALID_REQUEST",
      "has 10 elements",
    ],
    [
      "a baseline of another length",
      { parameters: { skerry_explain: "occlusion", skerry_explain_baseline: "0,1" } },
      "INVALID_REQUEST",
      "for rows of 784 elements",
    ],
    [
      "a method of tables",
      { parameters: { skerry_explain: "shapley" } },
      "INVALID_REQUEST",
      "it declares occlusion, integrated-gradients",
    ],
  ])("is refused for %s", async (_, how, code, words) => {
    const host = await start("digits-small");
    const answer = await ask(host, [DIGITS[0]?.pixels ?? new Float32Array(PIXELS)], how);
    expect({ code: answer.code, error: errorOf(answer) }).toEqual({ code, error: expect.stringContaining(words) });
  });
});

/** Pixels in the order of `influence`, the largest first, of those that have ink. */
const byInfluence = (row: Float32Array, influence: Float32Array): readonly number[] =>
  inkOf(row).toSorted((a, b) => (influence[b] ?? 0) - (influence[a] ?? 0));
const inkOf = (row: Float32Array): readonly number[] => [...row.keys()].filter((i) => (row[i] ?? 0) > 0);

/** The row without the first parts of `order`: from a tenth of its pixels to half of them. */
const deletions = (row: Float32Array, order: readonly number[]): readonly Float32Array[] =>
  [0.1, 0.2, 0.3, 0.4, 0.5].map((part) => {
    const without = row.slice();
    for (const at of order.slice(0, Math.round(part * order.length))) without[at] = 0;
    return without;
  });

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Spearman's: of ranks, so that only the order counts. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranks = (values: readonly number[]): readonly number[] => {
    const order = [...values.keys()].toSorted((i, j) => (values[i] ?? 0) - (values[j] ?? 0));
    const found = new Map(order.map((at, rank) => [at, rank]));
    return values.map((_, at) => found.get(at) ?? 0);
  };
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length - 1) / 2;
  const moment = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + (value - middle) * ((q[i] ?? 0) - middle), 0);
  return moment(x, y) / Math.sqrt(moment(x, x) * moment(y, y));
}

describe("maps of the digits model", () => {
  const methods = ["occlusion", "integrated-gradients"] as const;
  /** One of each of five labels. */
  const digits = DIGITS.slice(0, 5);

  it.each(methods)(
    "name pixels whose deletion costs the digit far more than that of as many others, by %s",
    async (method) => {
      const host = await start("digits");
      const random = new SeededRandom(3);
      const [byMap, byChance]: [number[], number[]] = [[], []];
      for (const { label, pixels } of digits) {
        const map = await mapOf(host, pixels, { skerry_explain: method, skerry_explain_element: label });
        const orders = [byInfluence(pixels, map), ...[1, 2, 3].map(() => random.shuffled([...inkOf(pixels)]))];
        const scores = await scoresOf(
          host,
          orders.flatMap((order) => deletions(pixels, order)),
          label,
        );
        byMap.push(mean(scores.slice(0, 5)));
        byChance.push(mean(scores.slice(5)));
      }
      expect(mean(byChance) - mean(byMap)).toBeGreaterThan(0.3);
    },
  );

  it.each(methods)("are other ones when the weights are drawn anew, by %s", async (method) => {
    const recipe = MODEL_RECIPES.find(({ name }) => name === "digits");
    if (recipe === undefined) throw new Error("there is no recipe for digits");
    const { nodes, createNetwork } = recipe;
    const { parameters } = createNetwork(new SeededRandom(11));
    const [trained, drawn] = [
      await start("digits"),
      await start("random", exportOnnx({ name: "random", nodes, parameters })),
    ];
    const found: number[] = [];
    for (const { label, pixels } of digits) {
      const asked = { skerry_explain: method, skerry_explain_element: label };
      const maps = [await mapOf(trained, pixels, asked), await mapOf(drawn, pixels, asked)];
      const [a = [], b = []] = maps.map((map) => inkOf(pixels).map((at) => map[at] ?? 0));
      found.push(Math.abs(rankCorrelation(a, b)));
    }
    expect(mean(found)).toBeLessThan(0.3);
  });
});
