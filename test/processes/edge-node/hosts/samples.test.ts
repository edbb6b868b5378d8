import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { MODEL_FILE, SAMPLES_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { softmaxModel, textToNumberModel } from "../../../support/models/onnx/onnx-models.ts";
import { floats, npy, npz } from "../../../unit/cli/support/npz.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
let models = 0;
const running: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-samples-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});
afterEach(() => Promise.all(running.splice(0).map((host) => host.stop(0))));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Starts a model with the samples of its version, and returns what the host warns of. */
async function warningsOf(model: Uint8Array, samples: Uint8Array): Promise<readonly string[]> {
  models += 1;
  const folder = path.join(directory, `model-${models}`);
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), model);
  await writeFile(path.join(folder, SAMPLES_FILE), samples);
  const warnings: string[] = [];
  const spec = {
    placementId: "p",
    model: "m",
    version: "1",
    directory: folder,
    limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000 },
    samples: SAMPLES_FILE,
    onWarning: (reason: string, message: string) => warnings.push(`${reason}: ${message}`),
  };
  running.push(await hosts.start(spec, () => undefined, new AbortController().signal));
  return warnings;
}

const text = (word: string): Buffer =>
  npy(`<U${word.length}`, [1], Buffer.from(Uint32Array.from(word, (letter) => letter.codePointAt(0) ?? 0).buffer));

describe("samples in a version", () => {
  it("take the place of made-up values, which the model would not take", async () => {
    expect(await warningsOf(textToNumberModel(), npz({ text: text("2.5"), number: floats([1], [2.5]) }))).toEqual([]);
  });

  it("are compared with what the node answers: a difference is a warning, and the model serves", async () => {
    expect(await warningsOf(textToNumberModel(), npz({ text: text("2.5"), number: floats([1], [3]) }))).toEqual([
      "SamplesDiffer: it does not answer what the version's samples hold and serves all the same: number differs by 0.5: element 0 is 2.5 where the samples have 3",
    ]);
  });

  it("are tried row by row and together, as requests would share a run", async () => {
    const x = floats(
      [20, 784],
      Array.from({ length: 20 * 784 }, (_, i) => Math.sin(i)),
    );
    expect(await warningsOf(softmaxModel(), npz({ x }))).toEqual([]);
    expect(running[0]?.noBatchReason).toBeUndefined();
  });

  it("that cannot be read, or have no array for an input, are a warning, and made-up values are taken", async () => {
    expect(await warningsOf(softmaxModel(), Buffer.from("no archive at all, really"))).toEqual([
      expect.stringMatching(/^WarmRunFailed: made-up values take the place of the version's samples: .*no ZIP archive/),
    ]);
    expect(await warningsOf(softmaxModel(), npz({ a: floats([1], [1]), b: floats([1], [1]) }))).toEqual([
      expect.stringMatching(/^WarmRunFailed: made-up values .*no array for input "x"/),
    ]);
  });
});
