import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BinaryStreamStateFile,
  STREAM_STATE_FILE,
} from "../../../../edge-node/adapters/filesystem/stream-state-file.ts";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import { InferenceWorker } from "../../../../edge-node/app/inference/inference-worker.ts";
import { StreamStates } from "../../../../edge-node/app/inference/stream-states.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { identityModel } from "../../../support/models/onnx/onnx-models.ts";
import { checkedPipeline } from "../../../support/models/pipeline-bundle.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const DOCUMENT = {
  pipeline: 1,
  inputs: [{ name: "rows" }],
  steps: [
    { "decode-csv": { columns: { key: "text", x: "number" }, maxRows: 10 } },
    { "stream-aggregate": { key: "key", rows: 2, maxKeys: 1, columns: { sum: { of: "x", how: "sum" } } } },
    { columns: { names: ["sum"] } },
    { model: { file: "same.onnx" } },
    { hysteresis: { rise: 10, fall: 5, above: "high", below: "low", over: "stream" } },
  ],
};
const LIMITS = { memMiB: 512, maxBatch: 8, queue: 64, timeoutMs: 60_000 };

let directory: string;
let host: ModelHost;
let states: StreamStates;
let worker: InferenceWorker;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-streams-"));
  const folder = path.join(directory, "model");
  await checkedPipeline(folder, DOCUMENT, { "same.onnx": identityModel("FP32", ["n", 1]) });
  const hosts = new ProcessModelHosts({
    workDirectory: workFolder(directory),
    mainFile: async () => "pipeline.yaml",
  });
  const spec = { placementId: "p", model: "m", version: "1", directory: folder, limits: LIMITS, isPipeline: true };
  host = await hosts.start(spec, () => undefined, new AbortController().signal);
  [worker, states] = await opened();
});
afterAll(async () => {
  await host.stop(0);
  await rm(directory, { recursive: true, force: true });
});

/** The agent's part, as after a start. */
async function opened(): Promise<readonly [InferenceWorker, StreamStates]> {
  const streams = new StreamStates({ file: new BinaryStreamStateFile(directory, silentLogger), clock: systemClock });
  await streams.restore();
  const made = new InferenceWorker({ clock: systemClock, nodeName: "edge-a", nodeKind: "edge", streams });
  made.serve({ placementId: "p", model: "m", version: "1", limits: LIMITS }, host);
  return [made, streams];
}

interface Seen {
  readonly sums: readonly unknown[];
  readonly decisions: readonly unknown[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly error: string | undefined;
}

async function ask(stream: string | undefined, ...rows: readonly string[]): Promise<Seen> {
  const csv = `key,x\n${rows.join("\n")}\n`;
  const body = Buffer.from(JSON.stringify({ inputs: [{ name: "rows", shape: [1], datatype: "BYTES", data: [csv] }] }));
  const answer = await worker.infer({
    placementId: "p",
    body,
    headerLength: JSON_BODY,
    deadlineMs: 60_000,
    edgeOnly: false,
    priority: 0,
    cancellation: new Cancellation(),
    ...(stream !== undefined && { stream: { key: stream, alone: true as const } }),
  });
  if (!(answer.body instanceof Uint8Array)) throw new Error("the answer came in pieces");
  const {
    outputs = [],
    parameters = {},
    error,
  } = JSON.parse(Buffer.from(answer.body).toString("utf8")) as {
    outputs?: { name: string; data: unknown[] }[];
    parameters?: Record<string, unknown>;
    error?: string;
  };
  const data = (name: string): readonly unknown[] => outputs.find((output) => output.name === name)?.data ?? [];
  return { sums: data("y"), decisions: data("decision"), parameters, error };
}

describe("a pipeline that goes on over the requests of a stream", () => {
  it("says so in its start", () => {
    expect(host.keepsState).toBe(true);
  });

  it("answers without rows until a window ends, and goes on with what was before", async () => {
    expect(await ask("s", "a,4")).toMatchObject({ sums: [], decisions: [] });
    expect(await ask("s", "a,8")).toMatchObject({ sums: [12], decisions: ["high"] });
    // Between the two thresholds it stays above.
    expect(await ask("s", "a,-1")).toMatchObject({ sums: [7], decisions: ["high"] });
    expect(await ask("t", "a,1")).toMatchObject({ sums: [] });
    expect(await ask("s", "a,0")).toMatchObject({ sums: [-1], decisions: ["low"] });
  });

  it("is a stream of its own in a request without a key", async () => {
    expect(await ask(undefined, "a,1", "a,2")).toMatchObject({ sums: [3] });
    expect(await ask(undefined, "a,1")).toMatchObject({ sums: [] });
  });

  it("keeps what it had when a request is refused", async () => {
    await ask("refused", "a,1");
    expect((await ask("refused", "a,no number")).error).toContain("steps[0].decode-csv");
    expect(await ask("refused", "a,2")).toMatchObject({ sums: [3] });
  });

  it("says what left as there was no room for it", async () => {
    const { parameters } = await ask("keys", "a,1", "b,1", "a,1");
    expect(parameters).toMatchObject({ skerry_dropped_keys: 2 });
  });

  it("goes on after a start of the agent, and begins anew after damage on the disk", async () => {
    await ask("kept", "a,40");
    await states.stop();
    [worker, states] = await opened();
    expect(await ask("kept", "a,2")).toMatchObject({ sums: [42] });
    await states.stop();
    const file = path.join(directory, STREAM_STATE_FILE);
    const bytes = await readFile(file);
    bytes[bytes.length - 40] = (bytes.at(-40) ?? 0) ^ 1;
    await writeFile(file, bytes);
    [worker, states] = await opened();
    expect(await ask("kept", "a,2")).toMatchObject({ sums: [] });
    expect((await readFile(`${file}.damaged`)).equals(bytes)).toBe(true);
    await states.stop();
  });
});
