import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, HostStream, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { INITIAL_CREDIT_BYTES } from "../../../../shared/protocol/limits.ts";
import { bytesOf, piecesOf } from "../../../support/models/answer-bytes.ts";
import { eventually } from "../../../support/eventually.ts";
import { zerosModel } from "../../../support/models/onnx/onnx-models.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const MEBI = 1_048_576;
const PIECES_HOST = path.join(import.meta.dirname, "../../../support/fakes/pieces-host.ts");

let directory: string;
const running = new Set<ModelHost>();
let models = 0;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-pieces-"));
});

afterEach(async () => {
  await Promise.all([...running].map((host) => host.stop(0)));
  running.clear();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const folderOf = (model: number): string => path.join(directory, `model-${model}`);

async function start(entry?: string): Promise<ModelHost> {
  models += 1;
  await mkdir(folderOf(models));
  await writeFile(path.join(folderOf(models), MODEL_FILE), zerosModel());
  const hosts = new ProcessModelHosts({ workDirectory: workFolder(directory), ...(entry && { entry }) });
  const host = await hosts.start(
    {
      placementId: `p-${models}`,
      model: "m",
      version: "7",
      directory: folderOf(models),
      limits: { memMiB: 1_024, maxBatch: 1, queue: 64, timeoutMs: 60_000 },
    },
    () => undefined,
    new AbortController().signal,
  );
  running.add(host);
  return host;
}

const zeros = (host: ModelHost, count: number, cancellation = new Cancellation()): Promise<HostResponse> =>
  host.infer({
    ...encodeRequest({
      inputs: [
        { tensor: { name: "x", datatype: "INT64", shape: [1], data: BigInt64Array.of(BigInt(count)) }, binary: true },
      ],
      binaryOutput: true,
    }),
    timeoutMs: 60_000,
    maxRows: 1,
    cancellation,
  });

const pieces = (host: ModelHost, request: object, cancellation = new Cancellation()): Promise<HostResponse> =>
  host.infer({
    body: Buffer.from(JSON.stringify(request)),
    headerLength: JSON_BODY,
    timeoutMs: 60_000,
    maxRows: 1,
    cancellation,
  });

function streamOf({ body }: HostResponse): HostStream {
  if (body instanceof Uint8Array) throw new Error("the answer comes in one");
  return body;
}

describe("a large answer of a model host", () => {
  it("comes in pieces, with its length ahead, and is what the model said", async () => {
    const answer = await zeros(await start(), 16 * MEBI);
    const { length } = streamOf(answer);
    const body = Buffer.concat(await piecesOf(answer));
    expect([answer.status, body.byteLength]).toEqual([200, length]);
    const [output] = decodeResponse(body, answer.headerLength).outputs;
    expect(output?.shape).toEqual([16 * MEBI]);
    expect(Buffer.compare(body.subarray(answer.headerLength), Buffer.alloc(4 * 16 * MEBI))).toBe(0);
  });

  it("waits in the host for a reader who takes nothing, while other requests are answered", async () => {
    const host = await start();
    const slow = streamOf(await zeros(host, 4 * MEBI));
    await eventually("the credit is used up", () => slow.heldBytes === INITIAL_CREDIT_BYTES);
    expect(bytesOf(await zeros(host, 10)).byteLength).toBeGreaterThan(40);
    expect((await piecesOf(await zeros(host, 4 * MEBI))).length).toBeGreaterThan(1);
    expect(slow.receivedBytes).toBe(INITIAL_CREDIT_BYTES);
  });

  it("is refused while those of slow readers fill the host's room, and has room again when one goes away", async () => {
    const host = await start();
    const leaves = new Cancellation();
    const [first] = [await zeros(host, 20 * MEBI, leaves), await zeros(host, 10 * MEBI)];
    expect(await zeros(host, 5 * MEBI)).toMatchObject({ status: 429, code: "QUEUE_FULL" });
    leaves.cancel();
    expect(await streamOf(first).ended).toEqual({ kind: "cancelled" });
    expect(Buffer.concat(await piecesOf(await zeros(host, 5 * MEBI))).byteLength).toBeGreaterThan(20 * MEBI);
  });

  it("is read to its end from a host that has to stop", async () => {
    const host = await start();
    const answer = await zeros(host, 4 * MEBI);
    const stopped = host.stop(60_000);
    expect(Buffer.concat(await piecesOf(answer)).byteLength).toBeGreaterThan(16 * MEBI);
    await stopped;
  });

  it("fails when the host ends in the middle of it", async () => {
    const host = await start();
    const stream = streamOf(await zeros(host, 4 * MEBI));
    await host.stop(0);
    expect(await stream.ended).toMatchObject({ kind: "failed", code: "HOST_CRASHED" });
    expect(await stream.next()).toBeUndefined();
  });
});

describe("an answer that a model host makes piece by piece", () => {
  it("is passed on as it is made, without a length, with its times at the end", async () => {
    const answer = await pieces(await start(PIECES_HOST), { pieces: 20, bytes: 30, everyMs: 5 });
    const stream = streamOf(answer);
    expect(stream.length).toBeUndefined();
    expect(Buffer.concat(await piecesOf(answer)).byteLength).toBe(600);
    const end = await stream.ended;
    expect(end.kind === "complete" && end.trailer.computeUs).toBeGreaterThan(5_000);
  });

  it("ends between two pieces when its caller goes away, and the others go on", async () => {
    const host = await start(PIECES_HOST);
    const leaves = new Cancellation();
    const endless = streamOf(await pieces(host, { pieces: 1e9, bytes: 10, everyMs: 1 }, leaves));
    const other = pieces(host, { pieces: 10, bytes: 10, everyMs: 1 });
    await endless.next();
    leaves.cancel();
    expect(await endless.ended).toEqual({ kind: "cancelled" });
    expect(Buffer.concat(await piecesOf(await other)).byteLength).toBe(100);
    const idle = path.join(folderOf(models), `${MODEL_FILE}.idle`);
    await eventually("nothing runs in the host", async () => (await readFile(idle, "utf8").catch(() => "")) !== "");
  });

  it("never exceeds what its reader has taken and the window", async () => {
    const stream = streamOf(await pieces(await start(PIECES_HOST), { pieces: 100, bytes: 65_000, everyMs: 0 }));
    await eventually("the credit is used up", () => stream.heldBytes === INITIAL_CREDIT_BYTES);
    let seen = 0;
    for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
      seen += piece.byteLength;
      stream.passed(piece.byteLength);
      expect(stream.receivedBytes - seen).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES);
    }
    expect(seen).toBe(6_500_000);
  });
});
