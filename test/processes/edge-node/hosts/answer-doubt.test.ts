import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { readDigitSamples } from "../../../../examples/digits/samples.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const MODEL = path.resolve(import.meta.dirname, "../../../../examples/digits/models/digits-small.onnx");
const PICTURES = readDigitSamples().map(({ pixels }) => pixels);

let directory: string;
let host: ModelHost;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-doubt-"));
  const folder = path.join(directory, "model");
  await mkdir(folder);
  await cp(MODEL, path.join(folder, MODEL_FILE));
  const hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
  const limits = { memMiB: 256, maxBatch: 32, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p", model: "digits-small", version: "1", directory: folder, limits };
  host = await hosts.start(spec, () => undefined, new AbortController().signal);
});

afterAll(async () => {
  await host?.stop(0);
  await rm(directory, { recursive: true, force: true });
});

function ask(pixels: Float32Array, threshold?: number): Promise<HostResponse> {
  const inputs = [{ name: "image", datatype: "FP32", shape: [1, 1, 28, 28], data: [...pixels] }];
  const body = Buffer.from(JSON.stringify({ inputs }));
  const asked = { body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 32 };
  return host.infer(threshold === undefined ? asked : { ...asked, doubt: { measure: "confidence", threshold } });
}

const textOf = (answer: HostResponse): string => Buffer.from(bytesOf(answer)).toString();
const largestOf = (answer: HostResponse): number => {
  const { outputs } = JSON.parse(textOf(answer)) as {
    readonly outputs: readonly { readonly data: readonly number[] }[];
  };
  return Math.max(...(outputs[0]?.data ?? []));
};

describe("the doubt of a model host", () => {
  it("is said of each answer whose scores are below the threshold, also of those that share a run, and changes no answer", async () => {
    const plain = await Promise.all(PICTURES.map((picture) => ask(picture)));
    const measured = await Promise.all(PICTURES.map((picture) => ask(picture, 0.9)));
    const inDoubt = plain.map((answer) => largestOf(answer) < 0.9);
    expect(new Set(inDoubt)).toEqual(new Set([true, false]));
    expect(measured.map(({ isDoubtful = false }) => isDoubtful)).toEqual(inDoubt);
    expect(measured.map(textOf)).toEqual(plain.map(textOf));
    expect(plain.some(({ isDoubtful }) => isDoubtful)).toBe(false);
  });
});
