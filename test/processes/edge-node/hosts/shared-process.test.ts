import { describe, expect, it } from "@jest/globals";
import { openSync, rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { SharedProcess } from "../../../../edge-node/adapters/host-process/shared-process.ts";
import { SharedProcesses } from "../../../../edge-node/adapters/host-process/shared-processes.ts";
import type { SharedModel } from "../../../../edge-node/ports/shared-hosts.ts";
import { MODEL_FILE, SAMPLES_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { runBombModel } from "../../../support/models/onnx/hostile-models.ts";
import { npy, npz } from "../../../unit/cli/support/npz.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const HOST = path.join(import.meta.dirname, "../../../support/fakes/host-that-loads-slowly.ts");

const aModel = (name: string): SharedModel => ({
  model: name,
  version: "1",
  directory: "/models",
  defaults: [],
  samples: undefined,
  noBatchReason: undefined,
  onSharingStopped: () => undefined,
  onSlowBatch: () => undefined,
});

function aProcess(): SharedProcess {
  const name = path.join(tmpdir(), `running-${process.pid}`);
  const statusFile = openSync(name, "w+", 0o600);
  rmSync(name);
  return new SharedProcess(
    { command: process.execPath, args: [HOST], env: { NODE_NO_WARNINGS: "1" } },
    {
      cwd: tmpdir(),
      memMiB: 1_024,
      platform: process.platform,
      fileOf: (directory) => Promise.resolve(path.join(directory, "model.onnx")),
      statusFile,
    },
  );
}

describe("the process of a shared host", () => {
  it("is not taken for one that hangs while it loads a model on a busy machine", async () => {
    const host = aProcess();
    await host.load(1, aModel("quick"));
    const loaded = host.load(2, aModel("next"));
    await new Promise(setImmediate); // what was written before is with the host
    const answer = await host.ask(1, { body: Buffer.from("[1]"), headerLength: 0, timeoutMs: 2_000, maxRows: 1 });
    expect(answer).toMatchObject({ status: 200, body: new Uint8Array(Buffer.from("[1]")) });
    await loaded;
    await host.stop(0);
  });

  it("warms a model with the samples of its version: made-up values may end what holds other models too", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-shared-process-"));
    const host = await new SharedProcesses({ workDirectory: workFolder(directory) }).open(512);
    await writeFile(path.join(directory, MODEL_FILE), runBombModel());
    const mebibytes = npy("<i8", [1], Buffer.from(BigInt64Array.of(2_000n).buffer));
    await writeFile(path.join(directory, SAMPLES_FILE), npz({ mebibytes }));
    await host.load(1, { ...aModel("with zeros"), directory });
    const loading = host.load(2, { ...aModel("with samples"), directory, samples: SAMPLES_FILE });
    await expect(loading).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(await host.exited).toMatchObject({ endedBy: 2 });
    await rm(directory, { recursive: true });
  });
});
