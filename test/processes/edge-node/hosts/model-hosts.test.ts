import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, HostSpec, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { type ElementType } from "../../../support/models/onnx/onnx-builder.ts";
import {
  identityModel,
  labelModel,
  lookUpModel,
  reciprocalModel,
  reshapeModel,
  softmaxModel,
  textToNumberModel,
} from "../../../support/models/onnx/onnx-models.ts";
import {
  loadBombModel,
  loopModel,
  runBombModel,
  unknownOperatorModel,
} from "../../../support/models/onnx/hostile-models.ts";
import { randomModel, statefulModel } from "../../../support/models/onnx/row-models.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
const running = new Set<ModelHost>();
const phases: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-hosts-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});

afterEach(async () => {
  await Promise.all([...running].map((host) => host.stop(0)));
  running.clear();
  phases.length = 0;
});

afterAll(() => rm(directory, { recursive: true, force: true }));

let models = 0;

async function specOf(file: Uint8Array, limits: Partial<HostSpec["limits"]> = {}): Promise<HostSpec> {
  models += 1;
  const folder = path.join(directory, `model-${models}`);
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), file);
  return {
    placementId: `p-${models}`,
    model: "m",
    version: "7",
    directory: folder,
    limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000, ...limits },
  };
}

async function start(
  file: Uint8Array,
  limits: Partial<HostSpec["limits"]> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<ModelHost> {
  const host = await hosts.start(await specOf(file, limits), (phase) => phases.push(phase), signal);
  running.add(host);
  return host;
}

const tensor = (name: string, datatype: Tensor["datatype"], shape: readonly number[], data: Tensor["data"]): Tensor =>
  ({ name, datatype, shape, data }) as Tensor;

function ask(
  host: ModelHost,
  tensors: readonly Tensor[],
  { binary = true, timeoutMs = 60_000 }: { readonly binary?: boolean; readonly timeoutMs?: number } = {},
): Promise<HostResponse> {
  const request = encodeRequest({ inputs: tensors.map((each) => ({ tensor: each, binary })), binaryOutput: binary });
  return host.infer({ ...request, timeoutMs, maxRows: host.noBatchReason === undefined ? 8 : 1 });
}

const outputsOf = (answer: HostResponse): readonly Tensor[] =>
  decodeResponse(bytesOf(answer), answer.headerLength).outputs;
/** As text, because Jest sends what failed between its processes as JSON, which has no BigInt. */
const shown = (answer: HostResponse): readonly string[] =>
  outputsOf(answer).map(({ name, datatype, shape, data }) => `${name} ${datatype} [${shape.join()}] = ${data.join()}`);
const errorOf = (answer: HostResponse): string =>
  (JSON.parse(Buffer.from(bytesOf(answer)).toString("utf8")) as { error: string }).error;

const PAIRS = {
  FP16: Float16Array.of(-65_504, 2 ** -24),
  FP32: Float32Array.of(1.5, -2),
  FP64: Float64Array.of(1 / 3, -2),
  INT8: Int8Array.of(-128, 127),
  INT16: Int16Array.of(-32_768, 32_767),
  INT32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  INT64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  UINT8: Uint8Array.of(0, 255),
  UINT16: Uint16Array.of(0, 65_535),
  UINT32: Uint32Array.of(0, 2 ** 32 - 1),
  UINT64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  BOOL: Uint8Array.of(0, 1),
} as const satisfies Partial<Record<ElementType, Tensor["data"]>>;

describe("a model host", () => {
  it("reports its signature, its phases, its memory and its warm time", async () => {
    const host = await start(softmaxModel());
    expect(host.inputs).toEqual([{ name: "x", datatype: "FP32", shape: [-1, 784] }]);
    expect(host.outputs).toEqual([{ name: "y", datatype: "FP32", shape: [-1, 10] }]);
    expect(phases).toEqual(["loading", "warming"]);
    expect(host.warmUs).toBeGreaterThan(0);
    expect(host.rssMiB()).toBeGreaterThan(10);
  });

  it.each(Object.keys(PAIRS) as (keyof typeof PAIRS)[])(
    "carries %s through unchanged, to the last bit of its range",
    async (datatype) => {
      const data = PAIRS[datatype];
      const host = await start(identityModel(datatype));
      const answer = await ask(host, [tensor("x", datatype, [1, 2], data)]);
      expect(answer.status).toBe(200);
      expect(shown(answer)).toEqual([`y ${datatype} [1,2] = ${data.join()}`]);
    },
  );

  it("runs a model with a state, a scalar and an INT64 counter", async () => {
    const host = await start(statefulModel());
    const answer = await ask(host, [
      tensor("state", "FP32", [1, 4], Float32Array.of(1, 2, 3, 4)),
      tensor("gain", "FP32", [], Float32Array.of(0.5)),
      tensor("step", "INT64", [1], BigInt64Array.of(41n)),
    ]);
    expect(shown(answer)).toEqual(["next_state FP32 [1,4] = 0.5,1,1.5,2", "next_step INT64 [1] = 42"]);
  });

  it("answers many requests at once in the order in which they came", async () => {
    const host = await start(identityModel("INT32", ["n"]));
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    const answers = await Promise.all(numbers.map((i) => ask(host, [tensor("x", "INT32", [1], Int32Array.of(i))])));
    expect(answers.map((answer) => outputsOf(answer)[0]?.data[0])).toEqual(numbers);
  });

  it("drops a request that is taken back before it runs, and answers those around it", async () => {
    const host = await start(softmaxModel());
    const x = tensor("x", "FP32", [1, 784], new Float32Array(784));
    const request = encodeRequest({ inputs: [{ tensor: x, binary: true }], binaryOutput: true });
    const cancellation = new Cancellation();
    const maxRows = host.noBatchReason === undefined ? 8 : 1;
    const infer = (more: { readonly cancellation?: Cancellation } = {}): Promise<HostResponse> =>
      host.infer({ ...request, timeoutMs: 60_000, maxRows, ...more });
    // What is written in one turn of the event loop reaches the host at once.
    const asked = [infer(), infer({ cancellation }), infer()];
    cancellation.cancel();
    const statuses = (await Promise.all(asked)).map(({ status, code }) => code ?? status);
    expect(statuses).toEqual([200, "CANCELLED", 200]);
    expect(await infer()).toMatchObject({ status: 200 });
  });

  it("reports how much of its time it read and wrote", async () => {
    const host = await start(identityModel("FP32", ["n"]));
    const data = Array.from({ length: 20_000 }, (_, i) => i / 7);
    const json = JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [data.length], data }] });
    const body = new TextEncoder().encode(json);
    const answer = await host.infer({ body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 1 });
    expect(answer).toMatchObject({ status: 200, batchSize: 1 });
    expect(Math.min(answer.decodeUs, answer.encodeUs)).toBeGreaterThan(0);
    expect(answer.decodeUs + answer.encodeUs).toBeLessThanOrEqual(answer.computeUs);
  });

  it("refuses an infinite output as JSON, and gives it as binary", async () => {
    const host = await start(reciprocalModel());
    const zero = [tensor("x", "FP32", [1], Float32Array.of(0))];
    const refused = await ask(host, zero, { binary: false });
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(errorOf(refused)).toMatch(/"y".*binary/);
    expect(shown(await ask(host, zero))).toEqual(["y FP32 [1] = Infinity"]);
  });

  const labels = [Buffer.from("a\0b"), Buffer.from([0xff]), Buffer.from("é")];
  const pick = (index: bigint, text = "t"): Tensor[] => [
    tensor("index", "INT64", [1], BigInt64Array.of(index)),
    tensor("text", "BYTES", [1], [text]),
  ];

  it.each([false, true])("answers labels as the file has them, U+0000 included; binary: %s", async (binary) => {
    const host = await start(labelModel(labels));
    expect(outputsOf(await ask(host, pick(0n, "\uFFFD é"), { binary })).map(({ data }) => data)).toEqual([
      ["a\0b"],
      ["\uFFFD é"],
    ]);
    expect(outputsOf(await ask(host, pick(2n), { binary }))[0]?.data).toEqual(["é"]);
  });

  it.each([false, true])("refuses an output string that is not UTF-8, and names it; binary: %s", async (binary) => {
    const host = await start(labelModel(labels));
    const refused = await ask(host, pick(1n), { binary });
    expect(refused).toMatchObject({ status: 500, code: "RUN_FAILED" });
    expect(errorOf(refused)).toMatch(/element 0 of output "label" is not UTF-8/);
  });

  it("answers U+FFFD when the file holds it", async () => {
    const host = await start(labelModel([Buffer.from("\uFFFD")]));
    expect(outputsOf(await ask(host, pick(0n)))[0]?.data).toEqual(["\uFFFD"]);
  });

  it.each([
    ["U+0000", "a\0b", /element 0 of input "text" holds the character U\+0000/],
    ["half a surrogate pair", "\ud800x", /element 0 of input "text" holds half of a surrogate pair/],
  ])("refuses an input text with %s", async (_what, text, words) => {
    const host = await start(labelModel(labels));
    const refused = await ask(host, pick(0n, text), { binary: false });
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(errorOf(refused)).toMatch(words);
  });

  it("refuses an output without a JSON form before the run", async () => {
    const host = await start(identityModel("FP16", ["n"]));
    const half = [tensor("x", "FP16", [1], Float16Array.of(1))];
    const body = encodeRequest({ inputs: half.map((each) => ({ tensor: each, binary: true })), binaryOutput: false });
    const refused = await host.infer({ ...body, timeoutMs: 60_000, maxRows: 1 });
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(errorOf(refused)).toMatch(/output "y" is FP16, which has no JSON form/);
  });

  it("refuses before the run what only JSON makes too large, and answers it as bytes", async () => {
    const host = await start(identityModel("BOOL", ["n"]), { memMiB: 512 });
    const flags = tensor("x", "BOOL", [27_000_000], new Uint8Array(27_000_000));
    const body = encodeRequest({ inputs: [{ tensor: flags, binary: true }], binaryOutput: false });
    const refused = await host.infer({ ...body, timeoutMs: 60_000, maxRows: 1 });
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(errorOf(refused)).toBe(
      "the response would have at least 135000000 bytes; the limit is 134217728. Ask for binary outputs (`binary_data_output`: true), or for fewer rows or outputs",
    );
    expect(refused.computeUs).toBe(refused.decodeUs);
    expect((await ask(host, [flags], { timeoutMs: 60_000 })).status).toBe(200);
  });

  it("calls an index outside of a table the caller's fault", async () => {
    const host = await start(lookUpModel());
    const refused = await ask(host, [tensor("index", "INT64", [1], BigInt64Array.of(3n))]);
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(errorOf(refused)).toMatch(/m:7 does not take this input: .*idx=3/);
  });

  it("quotes the runtime when a run fails, and answers the next request", async () => {
    const host = await start(reshapeModel());
    const failed = await ask(host, [tensor("x", "FP32", [3], Float32Array.of(1, 2, 3))]);
    expect(failed).toMatchObject({ status: 500, code: "RUN_FAILED" });
    expect(errorOf(failed)).toMatch(/m:7 failed on this input: .*[Rr]eshape/);
    const four = await ask(host, [tensor("x", "FP32", [4], Float32Array.of(1, 2, 3, 4))]);
    expect(outputsOf(four)[0]?.shape).toEqual([2, 2]);
  });

  it("is killed when a run outlasts its time, which blames the running request alone", async () => {
    const host = await start(loopModel({ forever: false }));
    const turns = (count: bigint): Tensor[] => [tensor("turns", "INT64", [], BigInt64Array.of(count))];
    const hanging = ask(host, turns(10n ** 12n), { timeoutMs: 3_000 });
    const waiting = ask(host, turns(0n), { timeoutMs: 3_000 });
    await expect(hanging).rejects.toMatchObject({ code: "HOST_CRASHED", started: true });
    await expect(waiting).rejects.toMatchObject({ code: "HOST_CRASHED", started: false });
    expect((await host.exited).reason).toBe("killed after 3000 ms without an answer");
  });

  it("stays inside its memory limit when a run asks for more", async () => {
    const host = await start(runBombModel());
    const ended = await ask(host, [tensor("mebibytes", "INT64", [1], BigInt64Array.of(4_000n))]).then(
      ({ code }) => code,
      (failure: { readonly code: string }) => failure.code,
    );
    expect(["RUN_FAILED", "OUT_OF_MEMORY"]).toContain(ended);
    expect(host.rssMiB()).toBeLessThan(600);
  });

  it("lets the request under way end when it is asked to stop", async () => {
    const host = await start(loopModel({ forever: false }));
    const slow = ask(host, [tensor("turns", "INT64", [], BigInt64Array.of(100n))]);
    await host.stop(60_000);
    expect((await slow).status).toBe(200);
  });
});

describe("a model that made-up values do not suit", () => {
  async function startWith(
    file: Uint8Array,
    by = hosts,
  ): Promise<{ readonly host: ModelHost; readonly warnings: readonly string[] }> {
    const warnings: string[] = [];
    const onWarning = (reason: string, message: string): number => warnings.push(`${reason}: ${message}`);
    const host = await by.start({ ...(await specOf(file)), onWarning }, () => {}, new AbortController().signal);
    running.add(host);
    return { host, warnings };
  }

  it("serves with a warning when they are an error", async () => {
    const { host, warnings } = await startWith(textToNumberModel());
    expect(warnings).toEqual([expect.stringMatching(/^WarmRunFailed: it did not take the made-up values/)]);
    expect(shown(await ask(host, [tensor("text", "BYTES", [1], ["2.5"])]))).toEqual(["number FP32 [1] = 2.5"]);
  });

  it("serves with a warning when they end its process", async () => {
    const entry = path.join(import.meta.dirname, "../../../support/fakes/host-that-dies-of-trials.ts");
    const dying = new ProcessModelHosts({ workDirectory: path.join(directory, "work"), entry });
    const { host, warnings } = await startWith(lookUpModel(), dying);
    expect(warnings).toEqual([expect.stringMatching(/^WarmRunFailed: made-up values ended its process \(.*SIGSEGV/)]);
    expect(shown(await ask(host, [tensor("index", "INT64", [1], BigInt64Array.of(2n))]))).toEqual([
      "value FP32 [1] = 3",
    ]);
  });

  it("warns of two answers to one input, and shares no runs then", async () => {
    const { host, warnings } = await startWith(randomModel());
    const reason = 'two runs of the same input differ in output "y"';
    expect(warnings).toEqual([`NotDeterministic: ${reason}`]);
    expect(host.noBatchReason).toBe(reason);
  });

  it("warns of nothing else", async () => {
    expect((await startWith(identityModel("FP32", ["n"]))).warnings).toEqual([]);
  });
});

describe("a model host that does not come up", () => {
  it.each<[string, Uint8Array, string]>([
    ["an operator that does not exist", unknownOperatorModel(), "LOAD_FAILED"],
    ["a warm run that never ends", loopModel({ forever: true }), "WARMUP_TIMEOUT"],
    ["a load that needs more memory than its limit", loadBombModel(3_000), "OUT_OF_MEMORY"],
    ["bytes that are no model", new TextEncoder().encode("no model"), "LOAD_FAILED"],
  ])("says why: %s", async (_what, file, code) => {
    await expect(start(file, { timeoutMs: 500 })).rejects.toMatchObject({ name: "HostFailure", code });
  });

  it("is called off by its signal", async () => {
    const abort = new AbortController();
    const starting = start(loopModel({ forever: true }), {}, abort.signal);
    abort.abort();
    await expect(starting).rejects.toThrow(/called off|aborted/);
  });
});
