import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type {
  HostRequest,
  HostSpec,
  HostStream,
  HostTrailer,
  ModelHost,
} from "../../../../edge-node/ports/model-hosts.ts";
import { inspectGguf } from "../../../../control-plane/core/catalog/gguf/inspect.ts";
import { bytesSource } from "../../../../control-plane/core/catalog/byte-source.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import type { TextApi } from "../../../../shared/openai/requests.ts";
import { GGUF_FILE, MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { piecesOf } from "../../../support/models/answer-bytes.ts";
import { eventually } from "../../../support/eventually.ts";
import { writeServedDecoder } from "../../../support/models/text/served-decoder.ts";
import { tinyGguf, type TinyModel } from "../../../support/models/text/tiny-gguf.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

let directory: string;
let hosts: ProcessModelHosts;
let host: ModelHost;
let format: keyof typeof FORMATS;
const CONTEXT = 4_096;

/** The same model in each format. */
const FORMATS = {
  gguf: async (folder: string, model: Tiny) => {
    await mkdir(folder);
    const bytes = tinyGguf(model);
    await writeFile(path.join(folder, GGUF_FILE), bytes);
    const found = inspectGguf(bytesSource(bytes));
    if (found.kind === "refused") throw new Error(found.reason);
    return { model: found.model, fileBytes: bytes.length };
  },
  onnx: (folder: string, model: Tiny) => writeServedDecoder(folder, model),
} as const;

type Tiny = Pick<TinyModel, "contextTokens" | "chatTemplate">;

async function start(name: string, model: Tiny, memMiB = 1_024): Promise<ModelHost> {
  const folder = path.join(directory, name);
  const spec: HostSpec = {
    placementId: name,
    model: "tiny",
    version: "1",
    directory: folder,
    limits: { memMiB, maxBatch: 1, queue: 64, timeoutMs: 60_000 },
    text: await FORMATS[format](folder, model),
  };
  return hosts.start(spec, () => undefined, new AbortController().signal);
}

type Question = Pick<HostRequest, "cancellation"> & { readonly api?: TextApi; readonly tenant?: string };

const ask = (request: object, { api = "completion", cancellation, tenant }: Question = {}, of = host) =>
  of.infer({
    body: Buffer.from(JSON.stringify({ openai: api, tenant, request: { model: "tiny", temperature: 0, ...request } })),
    headerLength: JSON_BODY,
    timeoutMs: 60_000,
    maxRows: 4,
    ...(cancellation && { cancellation }),
  });

interface Choice {
  readonly text: string;
  readonly finish_reason: string;
}

/** The choices of a whole answer, and its usage. */
async function answerTo(request: object, how: Question = {}, of = host) {
  const answer = await ask(request, how, of);
  const text =
    answer.body instanceof Uint8Array ? Buffer.from(answer.body) : Buffer.concat(await piecesOf<HostTrailer>(answer));
  const { status, code } = answer;
  const body = JSON.parse(text.toString("utf8")) as { choices?: Choice[]; usage?: object; error?: string };
  const { choices = [] } = body;
  return {
    status,
    code,
    body,
    texts: choices.map((each) => each.text),
    reasons: choices.map((each) => each.finish_reason),
  };
}

function streamOf({ body }: { body: Uint8Array | HostStream }): HostStream {
  if (body instanceof Uint8Array) throw new Error(`the answer is whole: ${Buffer.from(body).toString("utf8")}`);
  return body;
}

describe.each(["gguf", "onnx"] as const)("the host of a text model in %s", (each) => {
  beforeAll(async () => {
    format = each;
    directory = await mkdtemp(path.join(tmpdir(), "skerry-text-"));
    hosts = new ProcessModelHosts({
      workDirectory: workFolder(directory),
      mainFile: async () => (each === "gguf" ? GGUF_FILE : MODEL_FILE),
    });
    host = await start("shared", { contextTokens: CONTEXT });
  });

  afterAll(async () => {
    await host.stop(0);
    await rm(directory, { recursive: true, force: true });
  });

  it("goes on with a text for as many tokens as are asked for, and counts them", async () => {
    const { texts, reasons, body } = await answerTo({ prompt: "abc", max_tokens: 5 });
    expect(texts).toEqual(["defgh"]);
    expect(reasons).toEqual(["length"]);
    expect(body.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 });
  });

  it("goes on when its memory limit is raised", async () => {
    await host.raiseMemory(2_048);
    const { texts } = await answerTo({ prompt: "abc", max_tokens: 5 });
    expect(texts).toEqual(["defgh"]);
  });

  it("ends where the model ends its text", async () => {
    const { texts, reasons } = await answerTo({ prompt: "56", max_tokens: 100 });
    expect([texts, reasons]).toEqual([["789"], ["stop"]]);
  });

  it("ends before a stop text", async () => {
    const { texts, reasons } = await answerTo({ prompt: "abc", max_tokens: 100, stop: ["ij", "q"] });
    expect([texts, reasons]).toEqual([["defgh"], ["stop"]]);
  });

  it("makes characters whole that take several tokens", async () => {
    const { texts } = await answerTo({ prompt: "!", max_tokens: 8 });
    expect(texts).toEqual(["é?!é?!"]);
  });

  it("answers several prompts with several choices each, in their order", async () => {
    const { texts } = await answerTo({ prompt: ["ab", "12", "xy"], n: 2, max_tokens: 3 });
    expect(texts).toEqual(["cde", "cde", "345", "345", "zab", "zab"]);
  });

  it("writes a conversation by the model's template", async () => {
    const messages = [
      { role: "developer", content: "count" },
      {
        role: "user",
        content: [
          { type: "text", text: "12" },
          { type: "text", text: "34" },
        ],
      },
    ];
    const { body } = await answerTo({ messages }, { api: "chat" });
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: "assistant", content: "56789", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ]);
  });

  it("gives the same text for the same seed, and another one for another", async () => {
    const request = { prompt: "abc", max_tokens: 20, temperature: 2 };
    const texts: (string | undefined)[] = [];
    for (const seed of [1, 1, 2]) texts.push((await answerTo({ ...request, seed })).texts[0]);
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  });

  it("tells how likely its tokens were, and which others were likely", async () => {
    const request = { prompt: "abc", max_tokens: 3, temperature: 1, seed: 1, logprobs: 2, stop: ["f"] };
    const { body } = await answerTo({ ...request, temperature: 0 });
    const [choice] = body.choices as unknown as {
      text: string;
      logprobs: { token_logprobs: number[]; top_logprobs: Record<string, number>[] };
    }[];
    expect(choice).toMatchObject({ text: "de", logprobs: { tokens: ["d", "e"], text_offset: [0, 1] } });
    const { token_logprobs: own = [], top_logprobs: top = [] } = choice?.logprobs ?? {};
    expect(own.every((logprob) => logprob <= 0)).toBe(true);
    expect(top.map((each) => Object.keys(each).length)).toEqual([2, 2]);
    top.forEach((each, at) => expect(Math.max(...Object.values(each))).toBeCloseTo(own[at] ?? 0, 5));
  });

  it("tells the same of the tokens of a stream, with the text that they are part of", async () => {
    const messages = [{ role: "user", content: "!" }];
    const request = { messages, max_tokens: 8, stream: true, logprobs: true, top_logprobs: 1 };
    const answer = await ask(request, { api: "chat" });
    const text = Buffer.concat(await piecesOf<HostTrailer>(answer)).toString("utf8");
    const told = [...text.matchAll(/^data: (\{.*\})$/gm)].flatMap(([, data = ""]) => {
      const [choice] = (JSON.parse(data) as { choices: { logprobs: { content: { token: string }[] } | null }[] })
        .choices;
      return choice?.logprobs?.content.map(({ token }) => token) ?? [];
    });
    // Of é each token is one byte.
    expect(told).toEqual(["\uFFFD", "\uFFFD", "?", "!", "\uFFFD", "\uFFFD", "?", "!"]);
  });

  it("answers in the form of the generate extension, whole and as a stream", async () => {
    const form = (stream: boolean) => ({
      openai: "completion",
      request: { model: "tiny", prompt: "56", max_tokens: 9, temperature: 0, stream },
      generate: { id: "7", model: "tiny", details: true },
    });
    const textOf = async (question: object): Promise<string> => {
      const body = Buffer.from(JSON.stringify(question));
      const answer = await host.infer({ body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 4 });
      return Buffer.concat(await piecesOf<HostTrailer>(answer)).toString("utf8");
    };
    const common = { id: "7", model_name: "tiny", model_version: "1" };
    const end = { details: { finish_reason: "stop" } };
    expect(JSON.parse(await textOf(form(false)))).toEqual({ ...common, text_output: "789", ...end });
    const events = (await textOf(form(true))).trim().split("\n\n");
    expect(events.map((event) => JSON.parse(event.slice("data: ".length)) as object)).toEqual([
      { ...common, text_output: "7" },
      { ...common, text_output: "8" },
      { ...common, text_output: "9" },
      { ...common, text_output: "", ...end },
    ]);
  });

  it("keeps to a JSON schema that the model alone would not keep to", async () => {
    const schema = {
      type: "object",
      properties: { ok: { type: "boolean" }, kind: { enum: ["abc", "xyz"] } },
      required: ["ok", "kind"],
      additionalProperties: false,
    };
    const wanted = { type: "json_schema", json_schema: { name: "answer", schema } };
    const request = { messages: [{ role: "user", content: "a" }], response_format: wanted, max_tokens: 200 };
    const { body } = await answerTo(request, { api: "chat" });
    const [choice] = body.choices as unknown as { message: { content: string }; finish_reason: string }[];
    expect(choice?.finish_reason).toBe("stop");
    expect(JSON.parse(choice?.message.content ?? "")).toEqual({
      ok: expect.any(Boolean),
      kind: expect.stringMatching(/^(abc|xyz)$/),
    });
  });

  it.each([
    { meanLogprob: 0, isDoubtful: true },
    { meanLogprob: -100, isDoubtful: undefined },
  ])("measures its doubt against $meanLogprob, and answers as without that", async ({ meanLogprob, isDoubtful }) => {
    const schema = { type: "object", properties: { kind: { enum: ["abc", "xyz"] } }, required: ["kind"] };
    const wanted = {
      type: "json_schema",
      json_schema: { name: "answer", schema: { ...schema, additionalProperties: false } },
    };
    const messages = [{ role: "user", content: "abc" }];
    const common = { model: "tiny", temperature: 0, messages };
    for (const request of [
      { ...common, max_tokens: 12 },
      { ...common, max_tokens: 200, response_format: wanted },
      { ...common, max_tokens: 12, logprobs: true },
    ]) {
      const { body: expected } = await answerTo(request, { api: "chat" });
      const question = { openai: "chat", doubt: { tokens: 3, meanLogprob }, request };
      const answer = await host.infer({
        body: Buffer.from(JSON.stringify(question)),
        headerLength: JSON_BODY,
        timeoutMs: 60_000,
        maxRows: 4,
      });
      const body: unknown = JSON.parse(Buffer.concat(await piecesOf<HostTrailer>(answer)).toString("utf8"));
      expect(body).toMatchObject({ choices: expected.choices, usage: { completion_tokens: expect.any(Number) } });
      expect(answer.isDoubtful).toBe(isDoubtful);
    }
  });

  it("begins an object where any is asked for, and says so when its tokens ran out", async () => {
    const request = {
      messages: [{ role: "user", content: "a" }],
      response_format: { type: "json_object" },
      max_tokens: 4,
    };
    const { body } = await answerTo(request, { api: "chat" });
    const [choice] = body.choices as unknown as { message: { content: string }; finish_reason: string }[];
    expect(choice?.message.content).toMatch(/^\s*\{/);
    expect(choice?.finish_reason).toBe("length");
  });

  it.each([
    ["a keyword that is not kept to", { type: "string", pattern: "a" }, /has `pattern`/],
    ["a schema without a type", {}, /has no `type`/],
  ])("refuses %s before a token is made", async (_, schema, message) => {
    const format = { type: "json_schema", json_schema: { name: "answer", schema } };
    const request = { messages: [{ role: "user", content: "a" }], response_format: format };
    const answer = await answerTo(request, { api: "chat" });
    expect(answer).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(answer.body.error).toMatch(message);
  });

  it.each([
    [
      "a prompt beyond the context",
      { prompt: "a".repeat(CONTEXT + 1) },
      "CONTEXT_TOO_LONG",
      /context length is \d+ tokens. The prompt has \d+/,
    ],
    [
      "more tokens than the context leaves",
      { prompt: "a", max_tokens: CONTEXT },
      "CONTEXT_TOO_LONG",
      /and 4096 may follow/,
    ],
    ["an unknown field", { prompt: "a", hallucinate: false }, "INVALID_REQUEST", /takes no tensors/],
    ["an empty prompt", { prompt: "" }, "INVALID_REQUEST", /`prompt` is empty/],
  ])("refuses %s before a token is made", async (_, request, code, message) => {
    const answer = await answerTo(request);
    expect(answer).toMatchObject({ status: 400, code });
    expect(answer.body.error).toMatch(message);
  });

  it("refuses a request in tensors", async () => {
    const body = Buffer.from('{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}');
    const answer = await host.infer({ body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: 4 });
    expect(answer.code).toBe("INVALID_REQUEST");
  });

  it("refuses a conversation where the model has no template, and completes text all the same", async () => {
    const plain = await start("plain", { chatTemplate: null });
    const refused = await answerTo({ messages: [{ role: "user", content: "a" }] }, { api: "chat" }, plain);
    expect(refused).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect((await answerTo({ prompt: "ab", max_tokens: 2 }, {}, plain)).texts).toEqual(["cd"]);
    await plain.stop(0);
  });

  it("does not compute again what the cache holds of a prompt", async () => {
    const prompt = "abcdefgh".repeat(40);
    // Of four tokens the last one is not computed further.
    await answerTo({ prompt, max_tokens: 4 });
    const { body } = await answerTo({ prompt: `${prompt}ijkl0`, max_tokens: 2 });
    expect(body.usage).toMatchObject({ prompt_tokens: 325, prompt_tokens_details: { cached_tokens: 323 } });
  });

  it("tells no tenant what another one has in the cache", async () => {
    const prompt = "zyxw".repeat(50);
    const cachedFor = async (tenant: string): Promise<unknown> => {
      const { body } = await answerTo({ prompt, max_tokens: 1 }, { tenant });
      return (body.usage as { prompt_tokens_details: { cached_tokens: number } }).prompt_tokens_details.cached_tokens;
    };
    expect([await cachedFor("one"), await cachedFor("one")]).toEqual([0, each === "gguf" ? 199 : 198]);
    for (const _ of [1, 2, 3, 4]) expect(await cachedFor(`two-${_}`)).toBe(0);
  });

  it("says what an answer took that nobody wanted to its end", async () => {
    const stream = streamOf(await ask({ prompt: "abc", max_tokens: 4_000, stream: true }));
    await stream.next();
    stream.cancel();
    const end = await stream.senderEnd;
    expect(end?.usage).toMatchObject({ promptTokens: 3 });
    expect(end?.usage?.outputTokens).toBeGreaterThan(0);
    expect(end?.usage?.outputTokens).toBeLessThan(4_000);
  });

  it("answers requests side by side, and the short one first", async () => {
    const ends: string[] = [];
    const long = answerTo({ prompt: "abc", max_tokens: 1_000 }).then(({ texts }) => (ends.push("long"), texts[0]));
    const short = answerTo({ prompt: "xyz", max_tokens: 3 }).then(({ texts }) => (ends.push("short"), texts[0]));
    expect(await short).toBe("abc");
    expect(await long).toHaveLength(1_000);
    expect(ends).toEqual(["short", "long"]);
  });

  it("stops within a step when nobody reads the stream any more, and is free for others", async () => {
    const streams = await Promise.all(
      [1, 2, 3, 4].map(async () => streamOf(await ask({ prompt: "a", max_tokens: 4_000, stream: true }))),
    );
    for (const stream of streams) {
      await stream.next();
      stream.cancel();
    }
    // All four sequences were taken: this one begins when one of them is free.
    expect((await answerTo({ prompt: "abc", max_tokens: 3 })).texts).toEqual(["def"]);
  });

  it("drops a request that is cancelled before its first token", async () => {
    const cancellation = new Cancellation();
    const answer = ask({ prompt: "ab".repeat(1_500), max_tokens: 1_000 }, { cancellation });
    cancellation.cancel();
    expect((await answer).code).toBe("CANCELLED");
  });

  it("waits for a reader that takes nothing, while others are answered", async () => {
    const stream = streamOf(await ask({ prompt: "a", max_tokens: 4_000, stream: true }));
    // 512 KiB of text: with a long context a busy machine writes 30 KiB a second.
    await eventually("the reader has no room left", () => !stream.isSenderFree, 60_000);
    expect((await answerTo({ prompt: "abc", max_tokens: 3 })).texts).toEqual(["def"]);
    let bytes = 0;
    for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
      bytes += piece.byteLength;
      stream.passed(piece.byteLength);
    }
    expect(await stream.ended).toMatchObject({ kind: "complete", trailer: { usage: { outputTokens: 4_000 } } });
    expect(bytes).toBe(stream.receivedBytes);
  }, 120_000);

  it("takes less context where its memory limit leaves no room for more", async () => {
    const small = await start("small", { contextTokens: 131_072 }, 300);
    const answer = await answerTo({ prompt: "a", max_tokens: 131_000 }, {}, small);
    expect(answer.code).toBe("CONTEXT_TOO_LONG");
    expect(small.memory().privateMiB).toBeLessThan(300);
    await small.stop(0);
  });

  it("does not start with a limit that holds neither weights nor one request, and says what is usual", async () => {
    await expect(start("none", {}, 64)).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringMatching(/a limit of 64 MiB has no room .* \d+ MiB are usual/),
    });
  });
});
