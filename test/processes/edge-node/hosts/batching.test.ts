import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostSpec, HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { zeroNumbers, type NumericDatatype, type Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import {
  arithmeticModel,
  embeddingModel,
  identityModel,
  reshapeModel,
  softmaxModel,
} from "../../../support/models/onnx/onnx-models.ts";
import { flatteningModel, graphModel, ROW_MIXERS, statefulModel } from "../../../support/models/onnx/row-models.ts";
import { loopingRowsModel } from "../../../support/models/onnx/hostile-models.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
const running: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-batching-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});

afterEach(() => Promise.all(running.splice(0).map((host) => host.stop(0))));

afterAll(() => rm(directory, { recursive: true, force: true }));

let models = 0;

async function start(file: Uint8Array, more: Partial<HostSpec> = {}): Promise<ModelHost> {
  models += 1;
  const folder = path.join(directory, `model-${models}`);
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), file);
  const limits = { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: `p-${models}`, model: "m", version: "7", directory: folder, limits, ...more };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.push(host);
  return host;
}

interface Body {
  readonly body: Uint8Array;
  readonly headerLength: number;
}

/** In one turn of the event loop, so that they reach the host together. */
const askTogether = (host: ModelHost, bodies: readonly Body[], maxRows: number): Promise<readonly HostResponse[]> =>
  Promise.all(bodies.map((body) => host.infer({ ...body, timeoutMs: 60_000, maxRows })));

const told = (answer: HostResponse): string => {
  const { status, code, headerLength } = answer;
  return JSON.stringify({ status, code, headerLength, body: Buffer.from(bytesOf(answer)).toString("latin1") });
};

const embed = (index: bigint): Body =>
  encodeRequest({
    inputs: [{ tensor: { name: "index", datatype: "INT64", shape: [1], data: BigInt64Array.of(index) }, binary: true }],
    binaryOutput: true,
  });
const row = (answer: HostResponse): readonly number[] =>
  [...(decodeResponse(bytesOf(answer), answer.headerLength).outputs[0]?.data ?? [])].map(Number);

/** Requests of every shape to a + b and a · b: other sizes of rows, other outputs, JSON and binary, and some nonsense. */
const requestTo = (datatype: NumericDatatype): fc.Arbitrary<Body> => {
  const tensor = (name: string, shape: readonly number[], seed: number): Tensor => {
    const data = zeroNumbers(
      datatype,
      shape.reduce((product, size) => product * size, 1),
    );
    for (let i = 0; i < data.length; i += 1) {
      const value = ((seed + i * 7) % 11) - 5;
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value);
      else data[i] = datatype.startsWith("FP") ? value / 3 : value;
    }
    return { name, datatype, shape, data };
  };
  const good = fc
    .record({
      rows: fc.integer({ min: 1, max: 3 }),
      width: fc.constantFrom(1, 2),
      binary: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      outputs: fc.constantFrom(undefined, ["sum"], ["product", "sum"]),
      id: fc.option(fc.constantFrom("first", "second"), { nil: undefined }),
      seed: fc.nat(100),
    })
    .map(({ rows, width, binary, outputs, id, seed }) =>
      encodeRequest({
        ...(id === undefined ? {} : { id }),
        inputs: [
          { tensor: tensor("a", [rows, width], seed), binary: binary[0] },
          { tensor: tensor("b", [rows, width], seed + 3), binary: binary[1] },
        ],
        ...(outputs === undefined ? {} : { outputs: outputs.map((name) => ({ name, binary: binary[2] })) }),
      }),
    );
  const nonsense = fc
    .constantFrom("", "{", '{"inputs":[]}', '{"inputs":[{"name":"a","datatype":"FP32","shape":[1,1],"data":["x"]}]}')
    .map((text) => ({ body: new TextEncoder().encode(text), headerLength: JSON_BODY }));
  return fc.oneof({ arbitrary: good, weight: 6 }, { arbitrary: nonsense, weight: 1 });
};

/** y = x, but x / 9 in the whole run when anything in it is above `limit`: no trial with smaller values can see it. */
const thresholdModel = (limit: number): Uint8Array =>
  graphModel(
    [1],
    [
      { opType: "ReduceMax", input: ["x"], output: ["m"] },
      { opType: "Greater", input: ["m", "limit"], output: ["isAbove"] },
      { opType: "Div", input: ["x", "nine"], output: ["d"] },
      { opType: "Where", input: ["isAbove", "d", "x"], output: ["y"] },
    ],
    { limit: { dims: [], values: [limit] }, nine: { dims: [], values: [9] } },
  );

const number = (value: number): Body =>
  encodeRequest({
    inputs: [{ tensor: { name: "x", datatype: "FP32", shape: [1, 1], data: Float32Array.of(value) }, binary: true }],
    binaryOutput: true,
  });

describe("requests to a model that mixes rows from some value on", () => {
  it("never share a run where the graph does not prove that rows are independent", async () => {
    const host = await start(thresholdModel(5_000), {
      mayShare: { isShared: false, reason: "ReduceMax reduces the whole tensor" },
    });
    const answers = await askTogether(host, [9_000, 1, 2, 18].map(number), 8);
    expect(answers.map((answer) => row(answer)[0])).toEqual([1_000, 1, 2, 18]);
    expect(answers.every(({ batchSize }) => batchSize === 1)).toBe(true);
    expect(host.noBatchReason).toBe("ReduceMax reduces the whole tensor");
  });

  it("are noticed by a trial with large values", async () => {
    const host = await start(thresholdModel(100));
    expect(host.noBatchReason).toBe('output "y" of a row depends on the other rows of its batch');
  });

  it("are noticed in operation by a comparison, answered alone, and share no run from then on", async () => {
    const reasons: string[] = [];
    const host = await start(thresholdModel(5_000), { onSharingStopped: (reason) => reasons.push(reason) });
    expect(host.noBatchReason).toBeUndefined();
    for (let round = 0; round < 3; round += 1) {
      const answers = await askTogether(host, [9_000, 1, 2, 18].map(number), 8);
      expect(answers.map((answer) => row(answer)[0])).toEqual([1_000, 1, 2, 18]);
    }
    expect(reasons).toEqual(['output "y" of a request differed from its answer alone']);
  });
});

describe("batching", () => {
  it.each(["FP32", "FP64", "INT32", "INT64"] as const)(
    "gives every %s request the answer that it gets alone",
    async (datatype) => {
      const host = await start(arithmeticModel(datatype));
      let shared = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(requestTo(datatype), { minLength: 2, maxLength: 12 }),
          fc.integer({ min: 2, max: 9 }),
          async (bodies, maxRows) => {
            const together = await askTogether(host, bodies, maxRows);
            const alone = await askTogether(host, bodies, 1);
            expect(together.map(told)).toEqual(alone.map(told));
            expect(alone.every(({ batchSize }) => batchSize === 1)).toBe(true);
            shared += together.filter(({ batchSize }) => batchSize > 1).length;
          },
        ),
        { numRuns: 60 },
      );
      expect(shared).toBeGreaterThan(60);
    },
  );

  it("keeps strings with their rows", async () => {
    const host = await start(identityModel("BYTES", ["n", 1]));
    const bodies = ["ä", "", "b"].map((text) =>
      encodeRequest({
        inputs: [{ tensor: { name: "x", datatype: "BYTES", shape: [2, 1], data: [text, "z"] }, binary: false }],
      }),
    );
    const answers = await askTogether(host, bodies, 8);
    expect(answers.map(({ batchSize }) => batchSize)).toEqual([3, 3, 3]);
    expect(answers.map((answer) => decodeResponse(bytesOf(answer), answer.headerLength).outputs[0]?.data)).toEqual([
      ["ä", "z"],
      ["", "z"],
      ["b", "z"],
    ]);
  });

  it("multiplies rows together as it does alone, up to the order of the sums", async () => {
    const host = await start(softmaxModel());
    const bodies = Array.from({ length: 8 }, (_, n) => {
      const data = Float32Array.from({ length: 784 }, (_value, i) => ((i * (n + 1)) % 255) / 255);
      return encodeRequest({
        inputs: [{ tensor: { name: "x", datatype: "FP32", shape: [1, 784], data }, binary: true }],
        binaryOutput: true,
      });
    });
    const together = (await askTogether(host, bodies, 8)).map(row);
    const alone = (await askTogether(host, bodies, 1)).map(row);
    for (const [n, values] of together.entries())
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(alone[n]?.[i] ?? Number.NaN, 6);
  });

  it("fails only the request that makes the shared run fail", async () => {
    const host = await start(embeddingModel());
    const answers = await askTogether(host, [embed(1n), embed(9n), embed(3n)], 8);
    expect(answers.map(({ batchSize }) => batchSize)).toEqual([3, 3, 3]);
    expect(answers.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [400, "INVALID_REQUEST"],
      [200, undefined],
    ]);
    expect([answers[0], answers[2]].map((answer) => answer && row(answer))).toEqual([
      [10, 11],
      [30, 31],
    ]);
  });

  it("blames all that may have shared a run which never ended, and lets the others go elsewhere", async () => {
    const host = await start(loopingRowsModel());
    expect(host.noBatchReason).toBeUndefined();
    const turns = (count: bigint): Body =>
      encodeRequest({
        inputs: [{ tensor: { name: "x", datatype: "INT64", shape: [1], data: BigInt64Array.of(count) }, binary: true }],
      });
    const asked = [1n, 10n ** 12n, 1n].map((count) => host.infer({ ...turns(count), timeoutMs: 3_000, maxRows: 2 }));
    const ended = await Promise.allSettled(asked);
    expect(ended).toMatchObject([true, true, false].map((started) => ({ reason: { code: "HOST_CRASHED", started } })));
  });

  it("puts no more rows into a batch than it may", async () => {
    const host = await start(embeddingModel());
    const answers = await askTogether(host, [0n, 1n, 2n, 3n, 0n].map(embed), 2);
    expect(answers.map(({ batchSize }) => batchSize)).toEqual([2, 2, 2, 2, 1]);
    expect(answers.map(row)).toEqual([
      [0, 1],
      [10, 11],
      [20, 21],
      [30, 31],
      [0, 1],
    ]);
  });
});

describe("a model whose rows depend on each other", () => {
  it.each(Object.entries(ROW_MIXERS))("is not batched: %s", async (what, file) => {
    expect((await start(file)).noBatchReason).toBe(
      what === "random numbers"
        ? 'two runs of the same input differ in output "y"'
        : 'output "y" of a row depends on the other rows of its batch',
    );
  });

  it.each([
    ["an output of another length", flatteningModel(), /another number of rows/],
    ["a size that was fixed inside", reshapeModel(), /the first dimension of output "y" is fixed to 2/],
    ["a state of its callers", statefulModel(), /the first dimension of input "state" is fixed to 1/],
  ])("is not batched: %s", async (_what, file, why) => {
    expect((await start(file)).noBatchReason).toMatch(why);
  });

  it("is batched when it only looks so", async () => {
    expect((await start(softmaxModel())).noBatchReason).toBeUndefined();
  });
});
