import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describeEncoder } from "../../../../control-plane/core/catalog/encoder/describe.ts";
import { inspectOnnx } from "../../../../control-plane/core/catalog/onnx/inspect.ts";
import { bytesSource } from "../../../../control-plane/core/catalog/byte-source.ts";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostRequest, HostTrailer, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import type { EncoderModel } from "../../../../shared/text/encoder-model.ts";
import { piecesOf } from "../../../support/models/answer-bytes.ts";
import { type TinyEncoder, VOCABULARY, writeTinyEncoder } from "../../../support/models/text/tiny-encoder.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
let host: ModelHost;
const started: ModelHost[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-embed-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory) });
  host = await start("shared", { shorter: [4, 8] });
});

afterAll(async () => {
  await Promise.all(started.map((each) => each.stop(0)));
  await rm(directory, { recursive: true, force: true });
});

async function start(name: string, model: TinyEncoder = {}): Promise<ModelHost> {
  const folder = path.join(directory, name);
  await writeTinyEncoder(folder, model);
  const made = await hosts.start(
    {
      placementId: name,
      model: "tiny",
      version: "1",
      directory: folder,
      limits: { memMiB: 1_024, maxBatch: 32, queue: 64, timeoutMs: 60_000 },
      encoder: await encoderIn(folder),
    },
    () => undefined,
    new AbortController().signal,
  );
  started.push(made);
  return made;
}

async function encoderIn(folder: string): Promise<EncoderModel> {
  const files = new Map<string, unknown>();
  for (const name of [
    "modules.json",
    "config.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ])
    if (existsSync(path.join(folder, name)))
      files.set(name, JSON.parse(await readFile(path.join(folder, name), "utf8")));
  const graph = inspectOnnx(bytesSource(await readFile(path.join(folder, "model.onnx"))));
  if (graph.kind === "refused") throw new Error(graph.reason);
  const described = describeEncoder({ main: "model.onnx", read: (name) => files.get(name) }, graph.model);
  if (described.kind === "refused") throw new Error(described.reason);
  return described.encoder;
}

type How = Pick<HostRequest, "cancellation"> & { readonly of?: ModelHost; readonly maxRows?: number };

const ask = (request: object, { of = host, maxRows = 32, cancellation }: How = {}) =>
  of.infer({
    body: Buffer.from(JSON.stringify({ openai: "embedding", request: { model: "tiny", ...request } })),
    headerLength: JSON_BODY,
    timeoutMs: 60_000,
    maxRows,
    ...(cancellation && { cancellation }),
  });

async function answerTo(request: object, how: How = {}) {
  const answer = await ask(request, how);
  const bytes =
    answer.body instanceof Uint8Array ? Buffer.from(answer.body) : Buffer.concat(await piecesOf<HostTrailer>(answer));
  const body = JSON.parse(bytes.toString("utf8")) as {
    readonly data?: readonly { readonly index: number; readonly embedding: readonly number[] | string }[];
    readonly usage?: object;
    readonly error?: string;
  };
  return { ...answer, body, embeddings: (body.data ?? []).map(({ embedding }) => numbersOf(embedding)) };
}

const numbersOf = (embedding: readonly number[] | string): readonly number[] =>
  typeof embedding === "string"
    ? Array.from({ length: Buffer.from(embedding, "base64").length / 4 }, (_, at) =>
        Buffer.from(embedding, "base64").readFloatLE(4 * at),
      )
    : embedding.map(Math.fround);

/** Largest difference of two embeddings. */
const apart = (a: readonly number[] = [], b: readonly number[] = []): number =>
  a.length === b.length ? Math.max(...a.map((value, at) => Math.abs(value - (b[at] ?? Number.NaN)))) : Infinity;

const TEXTS = [
  "a",
  "the harbour at night",
  "pump pumps, pumping!",
  "storm",
  "the a at the harbour, night, storm. pumped?",
];

describe("the host of an encoder", () => {
  it("answers an embedding of the length 1 for each text, and counts the tokens", async () => {
    const { status, body, embeddings } = await answerTo({ input: ["storm", "the harbour"] });
    expect(status).toBe(200);
    expect(body).toMatchObject({ object: "list", model: "tiny", usage: { prompt_tokens: 7, total_tokens: 7 } });
    expect(embeddings.map(({ length }) => length)).toEqual([16, 16]);
    for (const each of embeddings) expect(Math.hypot(...each)).toBeCloseTo(1, 5);
  });

  it("gives the usage with the end of its answer", async () => {
    const { body } = await ask({ input: "storm" });
    if (body instanceof Uint8Array) throw new Error("the answer is whole");
    for (let piece = await body.next(); piece !== undefined; piece = await body.next()) body.passed(piece.byteLength);
    expect(await body.ended).toMatchObject({
      kind: "complete",
      trailer: { usage: { promptTokens: 3, outputTokens: 0, cachedTokens: 0 } },
    });
  });

  it("answers the same whichever way a text and its embedding are written", async () => {
    const [asText] = (await answerTo({ input: "the harbour" })).embeddings;
    const ids = [2, VOCABULARY.indexOf("the"), VOCABULARY.indexOf("harbour"), 3];
    for (const input of [["the harbour"], ids, [ids]])
      for (const encoding_format of ["float", "base64"])
        expect((await answerTo({ input, encoding_format })).embeddings).toEqual([asText]);
  });

  it("answers each text of several callers as it does alone", async () => {
    const alone: (readonly number[] | undefined)[] = [];
    for (const input of TEXTS) alone.push((await answerTo({ input })).embeddings[0]);
    const together = await Promise.all(
      TEXTS.map((_, at) => answerTo({ input: [...TEXTS.slice(at), ...TEXTS.slice(0, at)] })),
    );
    expect(host.noBatchReason).toBeUndefined();
    for (const [at, { embeddings }] of together.entries())
      for (const [k, embedding] of embeddings.entries())
        expect(apart(embedding, alone[(at + k) % TEXTS.length])).toBeLessThan(1e-5);
  });

  it("shares no run where that would change an embedding, and says why", async () => {
    for (const kind of ["leaky", "quantised"] as const) {
      const of = await start(kind, { kind });
      expect(of.noBatchReason).toMatch(/depends on the other texts of its run/);
      const alone: (readonly number[] | undefined)[] = [];
      for (const input of TEXTS) alone.push((await answerTo({ input }, { of })).embeddings[0]);
      expect((await answerTo({ input: TEXTS }, { of })).embeddings).toEqual(alone);
    }
  });

  it("shortens an embedding to a length that its folder names, and to no other", async () => {
    const [whole = []] = (await answerTo({ input: "storm" })).embeddings;
    const [short = []] = (await answerTo({ input: "storm", dimensions: 4 })).embeddings;
    const length = Math.hypot(...whole.slice(0, 4));
    expect(
      apart(
        short,
        whole.slice(0, 4).map((value) => value / length),
      ),
    ).toBeLessThan(1e-6);
    expect((await answerTo({ input: "storm", dimensions: 16 })).embeddings).toEqual([whole]);
    expect(await answerTo({ input: "storm", dimensions: 5 })).toMatchObject({
      status: 400,
      code: "INVALID_REQUEST",
      body: { error: expect.stringMatching(/`dimensions` must be 4, 8, 16/) },
    });
  });

  it.each([
    [
      "a text that is too long",
      { input: ["a", "harbour ".repeat(63)] },
      "CONTEXT_TOO_LONG",
      /context length is 64 tokens. input\[1\] has 65/,
    ],
    [
      "a text that cannot fit",
      { input: "a".repeat(200_000) },
      "CONTEXT_TOO_LONG",
      /200000 bytes, and at most 25600 fit/,
    ],
    ["too many tokens", { input: Array.from({ length: 65 }, () => 5) }, "CONTEXT_TOO_LONG", /input\[0\] has 65/],
    [
      "a token that it does not know",
      { input: [[2, 3], [90_000]] },
      "INVALID_REQUEST",
      /token 90000 at 1; this model's tokens are below/,
    ],
  ] as const)("refuses %s", async (_, request, code, words) => {
    expect(await answerTo(request)).toMatchObject({ status: 400, code, body: { error: expect.stringMatching(words) } });
  });

  it("refuses tensors and questions for text", async () => {
    const asked = { headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 1 };
    for (const body of ['{"inputs": []}', '{"openai": "chat", "request": {}}', "{"]) {
      const { code, body: said } = await host.infer({ ...asked, body: Buffer.from(body) });
      expect([code, Buffer.from(said as Uint8Array).toString("utf8")]).toEqual([
        "INVALID_REQUEST",
        expect.stringContaining("ask /v1/embeddings"),
      ]);
    }
  });

  it("goes on when its memory limit is raised", async () => {
    await host.raiseMemory(2_048);
    expect((await answerTo({ input: "storm" })).status).toBe(200);
  });

  it("says what each model is asked for", () => {
    expect(host.asks).toBe("embeddings");
  });

  it("goes on with others when a caller goes away, and answers that one CANCELLED", async () => {
    const of = await start("slow", { rounds: 12, width: 256 });
    const cancellation = new Cancellation();
    const gone = ask({ input: Array.from({ length: 400 }, () => "harbour ".repeat(60)) }, { of, cancellation });
    const other = answerTo({ input: "storm" }, { of });
    expect((await other).status).toBe(200);
    cancellation.cancel();
    expect(await gone).toMatchObject({ code: "CANCELLED" });
    expect((await answerTo({ input: "storm" }, { of })).status).toBe(200);
  });

  it("lets a short request pass a long one", async () => {
    const of = started.at(-1) ?? host;
    const order: string[] = [];
    const long = answerTo({ input: Array.from({ length: 64 }, () => "harbour ".repeat(60)) }, { of });
    const short = answerTo({ input: "storm" }, { of });
    await Promise.all([long.then(() => order.push("long")), short.then(() => order.push("short"))]);
    expect(order).toEqual(["short", "long"]);
  });

  it("runs a plain export by the mean over the tokens, of any length", async () => {
    const of = await start("plain", { isPlain: true });
    const [embedding = []] = (await answerTo({ input: "storm" }, { of })).embeddings;
    const [normal = []] = (await answerTo({ input: "storm" })).embeddings;
    const length = Math.hypot(...embedding);
    expect(length).not.toBeCloseTo(1, 2);
    expect(
      apart(
        normal,
        embedding.map((value) => value / length),
      ),
    ).toBeLessThan(1e-6);
  });

  it("answers what it has taken before it stops", async () => {
    const of = await start("stopping");
    const answer = answerTo({ input: TEXTS }, { of });
    await of.stop(60_000);
    expect((await answer).status).toBe(200);
  });
});
