import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { runBombModel } from "../../../support/models/onnx/hostile-models.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
const running: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-memory-"));
  await mkdir(path.join(directory, "model"));
  await writeFile(path.join(directory, "model", MODEL_FILE), runBombModel());
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
});

afterEach(() => Promise.all(running.splice(0).map((host) => host.stop(0))));

afterAll(() => rm(directory, { recursive: true, force: true }));

async function start(memMiB: number): Promise<ModelHost> {
  const limits = { memMiB, maxBatch: 1, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p", model: "bomb", version: "1", directory: path.join(directory, "model"), limits };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.push(host);
  return host;
}

function ask(host: ModelHost, mebibytes: number): Promise<HostResponse> {
  const data = BigInt64Array.of(BigInt(mebibytes));
  const tensor = { name: "mebibytes", datatype: "INT64", shape: [1], data } as const;
  const request = encodeRequest({ inputs: [{ tensor, binary: true }] });
  return host.infer({ ...request, timeoutMs: 60_000, maxRows: 1 });
}

describe("a request that needs more memory than its model's limit", () => {
  it("fails by itself, its host ends for it, and what was behind it may run again", async () => {
    for (const mebibytes of [300, 2_000]) {
      const host = await start(256);
      expect(await ask(host, 2)).toMatchObject({ status: 200 });
      const [guilty, behind] = await Promise.allSettled([ask(host, mebibytes), ask(host, 2)]);
      expect(guilty).toMatchObject({ value: { status: 413, code: "OUT_OF_MEMORY" } });
      if (behind?.status === "rejected")
        expect(behind.reason).toMatchObject({ started: false, blames: "OUT_OF_MEMORY" });
      expect(await host.exited).toMatchObject({ code: "OUT_OF_MEMORY", blames: "OUT_OF_MEMORY" });
    }
  });

  it("is not blamed for what earlier runs left in the host", async () => {
    const host = await start(256);
    expect(await ask(host, 60)).toMatchObject({ status: 200 });
    await until("the host was looked at", async () => host.memory().privateMiB > 120);
    await expect(ask(host, 100)).rejects.toMatchObject({ started: true, blames: "OUT_OF_MEMORY", suspects: 2 });
  });

  it("is answered as soon as the limit of the running host was raised", async () => {
    const host = await start(256);
    await host.raiseMemory(1_024);
    expect(host.memory()).toMatchObject({ limitMiB: 1_024 });
    expect(await ask(host, 200)).toMatchObject({ status: 200 });
  });
});
