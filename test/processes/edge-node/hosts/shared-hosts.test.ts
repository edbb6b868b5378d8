import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import { SharedProcesses } from "../../../../edge-node/adapters/host-process/shared-processes.ts";
import { SharedHosts } from "../../../../edge-node/app/hosts/shared-hosts.ts";
import { isHostFailure } from "../../../../edge-node/app/hosts/host-failure.ts";
import type { HostExit, HostResponse, HostSpec, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { bytesOf, piecesOf } from "../../../support/models/answer-bytes.ts";
import { loopModel, runBombModel } from "../../../support/models/onnx/hostile-models.ts";
import { regressorModel, wideRowsModel, zerosModel } from "../../../support/models/onnx/onnx-models.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: SharedHosts;
const running = new Set<ModelHost>();
let models = 0;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-shared-"));
  const places = { workDirectory: workFolder(directory) };
  hosts = new SharedHosts({
    alone: new ProcessModelHosts(places),
    processes: new SharedProcesses(places),
    clock: systemClock,
    logger: silentLogger,
  });
});

afterEach(async () => {
  await Promise.all([...running].map((host) => host.stop(0)));
  running.clear();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function specOf(file: Uint8Array, spec: Partial<HostSpec> = {}): Promise<HostSpec> {
  models += 1;
  const folder = path.join(directory, `model-${models}`);
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), file);
  return {
    placementId: `p-${models}`,
    model: `m${models}`,
    version: "1",
    directory: folder,
    mayShareHost: true,
    limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000, isolation: "shared" },
    ...spec,
  };
}

async function startOf(spec: HostSpec): Promise<ModelHost> {
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.add(host);
  return host;
}

const start = async (file: Uint8Array): Promise<ModelHost> => startOf(await specOf(file));

function ask(host: ModelHost, tensors: readonly Tensor[]): Promise<HostResponse> {
  const request = encodeRequest({ inputs: tensors.map((tensor) => ({ tensor, binary: true })), binaryOutput: true });
  return host.infer({ ...request, timeoutMs: 60_000, maxRows: host.noBatchReason === undefined ? 8 : 1 });
}

const rows = (...data: readonly number[]): Tensor => ({
  name: "X",
  datatype: "FP32",
  shape: [data.length / 2, 2],
  data: Float32Array.from(data),
});
const turns = (count: bigint): Tensor => ({
  name: "turns",
  datatype: "INT64",
  shape: [],
  data: BigInt64Array.of(count),
});

const valuesOf = (answer: HostResponse): readonly number[] =>
  decodeResponse(bytesOf(answer), answer.headerLength).outputs.flatMap(({ data }) => [...(data as Float32Array)]);

const failureOf = (error: unknown) =>
  isHostFailure(error) ? { started: error.started, wasShared: error.wasShared } : error;

/** The model hosts of this test that are processes now. */
const processes = (): readonly number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
        return parent === process.pid && words.some((word) => word.endsWith("shared-main.ts"));
      } catch {
        return false;
      }
    });

const sumModel = (intercept: number): Uint8Array => regressorModel({ features: 2, intercept });

describe("a shared model host", () => {
  it("holds several models in one process, and each answers by itself", async () => {
    const [a, b, c] = await Promise.all([start(sumModel(10)), start(sumModel(20)), start(zerosModel())]);
    expect([a.sharedHost, b.sharedHost, c.sharedHost]).toEqual(["shared-1", "shared-1", "shared-1"]);
    expect(processes()).toHaveLength(1);
    const answers = await Promise.all([
      ask(a, [rows(1, 2)]),
      ask(b, [rows(1, 2, 3, 4)]),
      ask(a, [rows(5, 6)]),
      ask(c, [{ name: "x", datatype: "INT64", shape: [1], data: BigInt64Array.of(3n) }]),
    ]);
    expect(answers.map(valuesOf)).toEqual([[13], [23, 27], [21], [0, 0, 0]]);
    expect(a.outputs).toEqual([{ name: "variable", datatype: "FP32", shape: [-1, 1] }]);
  });

  it("counts the process once, and each model for what it added", async () => {
    const counted: string[] = [];
    const spec = await specOf(sumModel(1));
    const a = await startOf(spec);
    const b = await startOf({ ...(await specOf(sumModel(2))), onMeasured: () => counted.push("b") });
    expect([a.measuredMiB, b.measuredMiB]).toEqual([336, 16]);
    await a.stop(0);
    expect(counted).toEqual(["b"]);
    expect(b.measuredMiB).toBe(336);
    expect(valuesOf(await ask(b, [rows(1, 2)]))).toEqual([5]);
  });

  it("ends with its last model", async () => {
    const [a, b] = await Promise.all([start(sumModel(1)), start(sumModel(2))]);
    await a.stop(0);
    expect(processes()).toHaveLength(1);
    await b.stop(0);
    const left = processes();
    for (const pid of left) await ended(pid);
    expect(processes()).toEqual([]);
  });

  it("answers what its models were asked before one of them leaves", async () => {
    const [a, b] = await Promise.all([start(sumModel(1)), start(sumModel(2))]);
    const answers = [ask(a, [rows(1, 1)]), ask(b, [rows(1, 1)])];
    await a.stop(0);
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[3], [4]]);
  });

  it("stays after its last model until a large answer has been read", async () => {
    const model = await start(zerosModel());
    const many: Tensor = { name: "x", datatype: "INT64", shape: [1], data: BigInt64Array.of(1_000_000n) };
    const answer = await ask(model, [many]);
    const stopped = model.stop(60_000);
    const body = Buffer.concat(await piecesOf(answer));
    await stopped;
    expect(decodeResponse(body, answer.headerLength).outputs[0]?.data).toHaveLength(1_000_000);
    expect(processes()).toEqual([]);
  });

  it("does not take a model that is not quick in its trial, or that no warm run is known of", async () => {
    const spec = await specOf(loopModel({ forever: true }), {});
    const limits = { ...spec.limits, timeoutMs: 200 };
    await expect(startOf({ ...spec, limits })).rejects.toMatchObject({ code: "WARMUP_TIMEOUT" });
    expect(processes()).toEqual([]);
  });

  it("does not take a model whose larger runs took much memory, though that is free again", async () => {
    const host = await startOf(await specOf(wideRowsModel(1_000_000), { startRoomMiB: 800 }));
    expect(host.sharedHost).toBeUndefined();
    expect(host.trial?.addedMiB).toBeGreaterThan(128);
    expect(host.memory().privateMiB).toBeLessThan(128);
  });

  it("ends when one of its models hangs: that one is alone from then on, and the others return to a shared host", async () => {
    const quick = await specOf(sumModel(7));
    const slow = await specOf(loopModel({ forever: false }));
    const [a, b] = [await startOf(quick), await startOf(slow)];
    expect([a.sharedHost, b.sharedHost]).toEqual(["shared-1", "shared-1"]);
    const hangs = ask(b, [turns(1_000_000_000n)]).catch(failureOf);
    await untilAsked();
    const waits = ask(a, [rows(1, 1)]).catch(failureOf);
    // The one that ran may run again alone; the one that waited may go to any host.
    expect(await hangs).toEqual({ started: true, wasShared: true });
    expect(await waits).toEqual({ started: false, wasShared: true });
    const [exitA, exitB] = await Promise.all([a.exited, b.exited]);
    expect(mayReturn(exitA)).toEqual([true, true]);
    expect(mayReturn(exitB)).toEqual([true, true]);
    expect([exitA, exitB].flatMap(({ shared }) => shared?.sentence ?? [])).toEqual([
      `the shared model host shared-1 ended: killed after 2000 ms without an answer; ${slow.model}:1 ran then and has a host of its own from now on. Started again: ${quick.model}:1, ${slow.model}:1`,
    ]);
    const [again, alone] = [await startOf(quick), await startOf(slow)];
    expect([again.sharedHost, alone.sharedHost]).toEqual(["shared-1", undefined]);
    expect(valuesOf(await ask(again, [rows(1, 1)]))).toEqual([9]);
  });

  it("ends when one of its models needs too much memory, and names it", async () => {
    const [a, b] = [await start(sumModel(7)), await start(runBombModel())];
    expect([a.sharedHost, b.sharedHost]).toEqual(["shared-1", "shared-1"]);
    const bomb: Tensor = { name: "mebibytes", datatype: "INT64", shape: [1], data: BigInt64Array.of(2_000n) };
    expect(await ask(b, [bomb]).catch(failureOf)).toEqual({ started: true, wasShared: true });
    expect((await a.exited).reason).toContain("memory limit of 352 MiB");
    expect((await a.exited).shared?.sentence).toContain("ran then and has a host of its own");
    expect(mayReturn(await b.exited)).toEqual([true, true]);
  });

  it("blames none of its models when somebody else kills it", async () => {
    const specs = [await specOf(sumModel(1)), await specOf(sumModel(2))];
    const [a, b] = [await startOf(specs[0]!), await startOf(specs[1]!)];
    for (const pid of processes()) process.kill(pid, "SIGKILL");
    expect(mayReturn(await a.exited)).toEqual([true, true]);
    expect((await a.exited).shared?.sentence).toContain("none of its models did it");
    expect((await b.exited).shared?.sentence).toBeUndefined();
    const again = await Promise.all(specs.map(startOf));
    expect(again.map(({ sharedHost }) => sharedHost)).toEqual(["shared-1", "shared-1"]);
  });
});

const mayReturn = ({ shared }: HostExit) => [shared !== undefined, shared?.mayReturn];

/** What was written before is with the host. */
const untilAsked = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

async function ended(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
