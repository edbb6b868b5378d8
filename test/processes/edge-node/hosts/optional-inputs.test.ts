import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { bytesSource } from "../../../../control-plane/core/catalog/byte-source.ts";
import { editGraph } from "../../../../control-plane/core/catalog/onnx/graph-edit.ts";
import { inspectOnnx } from "../../../../control-plane/core/catalog/onnx/inspect.ts";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { scaleModel } from "../../../support/models/onnx/onnx-models.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
let models = 0;
const running: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-optional-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});
afterEach(() => Promise.all(running.splice(0).map((host) => host.stop(0))));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Starts a model as it is published: with its optional inputs taken out of the graph. */
async function publishAndStart(bytes: Uint8Array): Promise<ModelHost> {
  const { pieces, defaults, constants } = editGraph(bytesSource(bytes));
  const served = pieces
    ? Buffer.concat(pieces.map((piece) => (piece instanceof Uint8Array ? piece : bytes.subarray(piece.from, piece.to))))
    : bytes;
  const inspection = inspectOnnx(bytesSource(served), new Map(), constants);
  expect(inspection).toMatchObject({ kind: "model", model: { rows: { kind: "independent" } } });
  models += 1;
  const folder = path.join(directory, `model-${models}`);
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), served);
  const limits = { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p", model: "m", version: "1", directory: folder, limits, defaults };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.push(host);
  return host;
}

const ask = (host: ModelHost, given: Readonly<Record<string, readonly number[]>>): Promise<HostResponse> => {
  const inputs = Object.entries(given).map(([name, values]) => ({
    tensor: {
      name,
      datatype: "FP32" as const,
      shape: name === "x" ? [values.length, 1] : [values.length],
      data: Float32Array.from(values),
    },
    binary: true,
  }));
  return host.infer({ ...encodeRequest({ inputs, binaryOutput: true }), timeoutMs: 60_000, maxRows: 8 });
};
const valuesOf = (answer: HostResponse): readonly number[] =>
  [...(decodeResponse(bytesOf(answer), answer.headerLength).outputs[0]?.data ?? [])].map(Number);

describe("an input with a default value", () => {
  it("has the caller's value when it is given, and its default when it is left out", async () => {
    const host = await publishAndStart(scaleModel());
    expect(valuesOf(await ask(host, { x: [2] }))).toEqual([2]);
    expect(valuesOf(await ask(host, { x: [2], w: [5] }))).toEqual([10]);
    expect(valuesOf(await ask(host, { x: [2], b: [3] }))).toEqual([5]);
    expect(valuesOf(await ask(host, { x: [2], w: [5], b: [3] }))).toEqual([13]);
    expect(valuesOf(await ask(host, { x: [2] }))).toEqual([2]);
  });

  it("is among the inputs, and may be left out", async () => {
    const host = await publishAndStart(scaleModel());
    expect(host.inputs).toEqual([
      { name: "x", datatype: "FP32", shape: [-1, 1] },
      { name: "w", datatype: "FP32", shape: [1], parameters: { optional: true } },
      { name: "b", datatype: "FP32", shape: [1], parameters: { optional: true } },
    ]);
  });

  it("changes no answer of others: who gives one runs alone, the others share runs", async () => {
    const host = await publishAndStart(scaleModel());
    expect(host.noBatchReason).toBeUndefined();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => ask(host, { x: [i], ...(i % 3 === 0 && { w: [100 + i] }) })),
    );
    expect(answers.map((answer) => valuesOf(answer)[0])).toEqual(
      Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? i * (100 + i) : i)),
    );
  });

  it("is refused with another shape or datatype, as any input", async () => {
    const host = await publishAndStart(scaleModel());
    expect(await ask(host, { x: [2], w: [5, 6] })).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
  });

  it("is a constant in a file from before inputs could be optional", async () => {
    const host = await publishAndStart(scaleModel({ irVersion: 3 }));
    expect(host.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(await ask(host, { x: [2], w: [5] })).toMatchObject({ status: 400 });
  });
});
