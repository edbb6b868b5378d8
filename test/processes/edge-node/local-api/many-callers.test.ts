import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import { InferenceWorker } from "../../../../edge-node/app/inference/inference-worker.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { loopModel } from "../../../support/models/onnx/hostile-models.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const CALLERS = 32;
const ROUNDS = 4;

let directory: string;
let host: ModelHost;
let worker: InferenceWorker;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-callers-"));
  await mkdir(path.join(directory, "model"));
  await writeFile(path.join(directory, "model", MODEL_FILE), loopModel({ forever: false }));
  const limits = { memMiB: 256, maxBatch: 8, queue: 1_024, timeoutMs: 120_000 };
  const placement = { placementId: "p-1", model: "loop", version: "1", limits };
  const hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
  const spec = { ...placement, directory: path.join(directory, "model") };
  host = await hosts.start(spec, () => undefined, new AbortController().signal);
  worker = new InferenceWorker({ clock: systemClock, nodeName: "edge-a", nodeKind: "edge" });
  worker.serve(placement, host);
});

afterAll(async () => {
  await host?.stop(0);
  await rm(directory, { recursive: true, force: true });
});

/** Of a model that takes about 5 ms and shares no runs. */
async function ask(deadlineMs: number): Promise<string> {
  const turns = { name: "turns", datatype: "INT64", shape: [], data: BigInt64Array.of(25n) } as const;
  const answer = await worker.infer({
    ...encodeRequest({ inputs: [{ tensor: turns, binary: true }] }),
    placementId: "p-1",
    deadlineMs,
    edgeOnly: false,
    priority: 0,
    cancellation: new Cancellation(),
  });
  return answer.code ?? "OK";
}

describe(`${CALLERS} callers of a model of 5 ms`, () => {
  it("are all answered when their deadline allows the wait", async () => {
    const codes: string[] = [];
    const call = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round += 1) codes.push(await ask(120_000));
    };
    await Promise.all(Array.from({ length: CALLERS }, call));
    expect(codes).toEqual(Array.from({ length: CALLERS * ROUNDS }, () => "OK"));
  });

  it("are refused where the wait is longer than their deadline, and not left to be late", async () => {
    const codes = await Promise.all(Array.from({ length: CALLERS }, () => ask(10)));
    expect(codes.filter((code) => code === "QUEUE_FULL").length).toBeGreaterThan(CALLERS / 2);
  });
});
