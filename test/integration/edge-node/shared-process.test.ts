import { describe, expect, it } from "@jest/globals";
import { openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SharedProcess } from "../../../edge-node/adapters/host-process/shared-process.ts";
import type { SharedModel } from "../../../edge-node/ports/shared-hosts.ts";

const HOST = path.join(import.meta.dirname, "../../support/processes/slow-loading-host.ts");

const aModel = (name: string): SharedModel => ({
  model: name,
  version: "1",
  directory: "/models",
  defaults: [],
  noBatchReason: undefined,
  onSharingStopped: () => undefined,
  onSlowBatch: () => undefined,
});

function aProcess(): SharedProcess {
  const name = path.join(tmpdir(), `running-${process.pid}`);
  const runningFile = openSync(name, "w+", 0o600);
  rmSync(name);
  return new SharedProcess(
    { command: process.execPath, args: [HOST], env: { NODE_NO_WARNINGS: "1" } },
    {
      cwd: tmpdir(),
      memMiB: 1_024,
      platform: process.platform,
      fileOf: (directory) => Promise.resolve(path.join(directory, "model.onnx")),
      runningFile,
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
});
