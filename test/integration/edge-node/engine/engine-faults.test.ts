import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { formOf } from "../../../../edge-node/adapters/engine/openai/answer-forms.ts";
import { Engines } from "../../../../edge-node/adapters/engine/engines.ts";
import { StreamedText } from "../../../../edge-node/adapters/engine/openai/streamed-text.ts";
import type { HostResponse, HostSpec, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { seededRandom } from "../../../../shared/base/random.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { eventually } from "../../../support/eventually.ts";
import { FaultyEngine } from "../../../support/fakes/faulty-engine.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

/** An engine that misbehaves, and the host of its model. */

/** What no request of a test comes near, however busy the machine is. */
const LIMIT_MS = 60_000;
/** Faults that end by the limit of their request alone, which is therefore short, but not too short for a head to come. */
const LIMITS_MS: Readonly<Record<string, number>> = { "no head": 2_000, "no event": 2_000 };
let engine: FaultyEngine;
let engines: Engines;
let host: ModelHost;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-engine-"));
  const keyFile = path.join(folder, "key");
  await writeFile(keyFile, "sk-secret\n");
  engine = await FaultyEngine.start();
  const settings = [{ api: "openai", url: engine.url, keyFile, slots: 4, metrics: undefined } as const];
  engines = new Engines({ settings, clock: systemClock, random: seededRandom(3), logger: silentLogger });
  engines.open();
  host = await start("m");
});

afterEach(async () => {
  await host.stop(0);
  await engines.close();
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
});

const start = (
  model: string,
  { signal = new AbortController().signal, kind = "text" as "text" | "embeddings" } = {},
): Promise<ModelHost> => {
  const spec: HostSpec = {
    placementId: "p-1",
    model: "writer",
    version: "1",
    directory: folder,
    limits: { memMiB: 0, maxBatch: 1, queue: 64, timeoutMs: LIMIT_MS },
    engine: { model: { model, kind }, inputs: [], outputs: [] },
  };
  return engines.start(spec, () => undefined, signal);
};

const ask = (
  fault: string,
  {
    stream = true,
    cancellation = new Cancellation(),
    of = host,
    kind = "text",
    timeoutMs = LIMITS_MS[fault] ?? LIMIT_MS,
  } = {},
): Promise<HostResponse> =>
  of.infer({
    body: Buffer.from(
      JSON.stringify(
        kind === "text"
          ? { openai: "completion", tenant: "k", request: { model: "writer", prompt: fault, stream } }
          : { openai: "embedding", tenant: "k", request: { model: "writer", input: fault } },
      ),
    ),
    headerLength: JSON_BODY,
    timeoutMs,
    maxRows: 4,
    cancellation,
  });

/** The code and words of a refusal, or the text of an answer and how it ended. */
async function outcomeOf(answering: Promise<HostResponse>): Promise<string> {
  try {
    const { body, code } = await answering;
    if (body instanceof Uint8Array)
      return `${code}: ${(JSON.parse(new TextDecoder().decode(body)) as { error: string }).error}`;
    let text = "";
    for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
      text += new TextDecoder().decode(piece);
      body.passed(piece.byteLength);
    }
    const end = await body.ended;
    const done = text.includes("[DONE]") ? "all" : "part";
    return end.kind === "failed" ? `${done}, then ${end.code}: ${end.detail}` : `${done}, ${end.kind}`;
  } catch (error) {
    const { name, started } = error as { name: string; started: boolean };
    return `${name}, ${started ? "started" : "not started"}: ${(error as Error).message}`;
  }
}

/** Waits until so many connections with requests are open at the engine. */
const open = (count: number): Promise<boolean> => eventually(`${count} requests are open`, () => engine.open === count);

const AT = String.raw`openai engine at 127\.0\.0\.1:\d+`;

describe("a host of an engine that misbehaves", () => {
  it.each([
    ["no head", `^HostFailure, started: the ${AT} could not be asked: it did not answer within 2000 ms$`],
    ["no event", `^DEADLINE_EXCEEDED: the ${AT} did not begin its answer within 2000 ms$`],
    ["cut before the head", `^HostFailure, started: the ${AT} could not be asked`],
    ["cut within", `^part, then HOST_CRASHED: the ${AT} closed the connection within an answer$`],
    ["end within", `^part, then HOST_CRASHED: the ${AT} closed the connection within an answer$`],
    ["no done", "^all, complete$"],
    ["no end", "^all, complete$"],
    ["a field too deep", `^part, then RUN_FAILED: the ${AT} sent what is no answer`],
    ["an error within", `^part, then RUN_FAILED: the ${AT} failed: out of memory$`],
    ["an error in its own field", `^part, then RUN_FAILED: the ${AT} failed: out of memory$`],
    ["nonsense within", `^part, then RUN_FAILED: the ${AT} sent what is no answer`],
    ["an endless event", `^part, then RUN_FAILED: the ${AT} sent what is no answer: an event of more than`],
    ["no stream", `^RUN_FAILED: the ${AT} does not stream its answers$`],
    ["busy", `^QUEUE_FULL: the ${AT} takes no more requests now: too many requests$`],
    ["loading", `^MODEL_NOT_READY: the ${AT} is not ready: Loading model$`],
    ["bad request", String.raw`^INVALID_REQUEST: .top_k. must be \[31mpositive$`],
    ["unprocessable", "^INVALID_REQUEST: .*field required"],
    ["failed", `^RUN_FAILED: the ${AT} failed: <html>Internal Server Error</html>$`],
    ["redirect", `^RUN_FAILED: the ${AT} failed: status 307$`],
    ["key", `^RUN_FAILED: the ${AT} refuses the key of the node \\(status 401\\): see key-file of its engine$`],
  ])("ends a request that meets %s with a code and a sentence, streaming or not", async (fault, outcome) => {
    for (const stream of [true, false]) {
      // A whole answer has no event that says its end.
      const expected = stream ? outcome : outcome.replace("^all", "^part");
      expect(await outcomeOf(ask(fault, { stream }))).toMatch(new RegExp(expected));
    }
    await open(0);
  });

  it.each(["no head", "no event", "silent within", "flood"])(
    "closes the connection of a caller who goes away from %s, streaming or not",
    async (fault) => {
      for (const stream of [true, false]) {
        const cancellation = new Cancellation();
        const answering = ask(fault, { stream, cancellation, timeoutMs: LIMIT_MS });
        await open(1);
        if (fault === "silent within" || fault === "flood") await answering;
        cancellation.cancel();
        expect(await outcomeOf(answering)).toMatch(/^(CANCELLED: the caller went away|part, cancelled)$/);
        await open(0);
      }
    },
  );

  it("ends a chat whose message cannot be written, when its engine ends it", async () => {
    engine.trial = "a message too deep";
    const request = { model: "writer", messages: [{ role: "user", content: "Hi" }] };
    const body = Buffer.from(JSON.stringify({ openai: "chat", tenant: "k", request }));
    const answering = host.infer({ body, headerLength: JSON_BODY, timeoutMs: LIMIT_MS, maxRows: 4 });
    expect(await outcomeOf(answering)).toMatch(/^part, then RUN_FAILED: .* sent what is no answer/);
    await open(0);
  });

  it("passes on every event of an engine that sends all of them at once", async () => {
    for (const stream of [true, false]) {
      const { body } = await ask("all at once", { stream });
      if (body instanceof Uint8Array) throw new Error("a whole answer");
      let text = "";
      for (let piece = await body.next(); piece !== undefined; piece = await body.next())
        text += new TextDecoder().decode(piece);
      const parts = stream ? ['"text":"a"', '"text":"b"', '"text":"c"', "data: [DONE]"] : ['"text":"abc"'];
      const places = parts.map((part) => text.indexOf(part));
      expect(places).not.toContain(-1);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
    }
  });

  it("holds no more of an answer than its reader takes", async () => {
    const { body } = await ask("flood");
    if (body instanceof Uint8Array) throw new Error("a whole answer");
    await eventually("the reader's credit is used up", () => !body.isSenderFree);
    expect(body.heldBytes).toBeLessThanOrEqual(512 * 1_024);
    body.cancel();
    await open(0);
  });

  it("sends the key of its file and says it to nobody", async () => {
    await outcomeOf(ask("no done"));
    expect(engine.keys).toEqual(new Set(["Bearer sk-secret"]));
    expect(await outcomeOf(ask("key"))).not.toContain("sk-secret");
  });

  it("uses the key that its file has now, and says where it finds none", async () => {
    const file = path.join(folder, "key");
    await writeFile(file, "sk-second\n");
    await outcomeOf(ask("cut within")); // so that the engine is looked at
    await eventually("the new key is used", () => engine.keys.has("Bearer sk-second"));
    await rm(file);
    await outcomeOf(ask("cut within"));
    const { code, reason } = await host.exited;
    expect([code, reason]).toEqual(["ENGINE_CONFIG", expect.stringContaining(file)]);
    expect(reason).not.toContain("sk-");
    await expect(start("m")).rejects.toMatchObject({ code: "ENGINE_CONFIG", message: expect.stringContaining(file) });
    await writeFile(file, "sk-third\n");
    await eventually("the engine is asked again", () => engines.offer()?.[0]?.models.length === 1);
    await (await start("m")).stop(0);
  });

  it("says its key to nobody when the engine refuses a model's first request for it", async () => {
    engine.trial = "key";
    const refused: unknown = await start("m").catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "WARMUP_FAILED",
      message: expect.stringMatching(/refuses the key of the node/),
    });
    expect((refused as Error).message).not.toContain("sk-secret");
  });

  it("lets another node be asked when the engine is busy or not ready", async () => {
    expect(await ask("busy")).toMatchObject({ isBeforeRun: true });
    expect(await ask("loading")).toMatchObject({ isBeforeRun: true });
  });

  it("exits when its engine is gone, and refuses what comes meanwhile as not started", async () => {
    await engine.stop();
    expect(await outcomeOf(ask("no done"))).toMatch(/^HostFailure, not started: .*ECONNREFUSED/);
    expect(await host.exited).toMatchObject({ code: "ENGINE_AWAY", reason: expect.stringMatching(/is away/) });
  });

  it("exits when its engine does not list the model any more", async () => {
    engine.models = ["other"];
    await outcomeOf(ask("cut within")); // so that the engine is looked at
    expect(await host.exited).toMatchObject({
      code: "ENGINE_AWAY",
      reason: expect.stringMatching(/does not list the model m$/),
    });
    expect(engines.offer()).toEqual([{ api: "openai", models: ["other"] }]);
  });

  it("takes the models that a version can name of what its engine lists, in one order", async () => {
    engine.models = ["z", "m", "m", "a\u0007b", "", "x".repeat(201), "a"];
    engine.props = "<html>There is no such page</html>";
    await outcomeOf(ask("cut within")); // so that the engine is looked at
    await eventually("the list is read", () => engines.offer()?.[0]?.models.length !== 1);
    expect(engines.offer()).toEqual([{ api: "openai", models: ["a", "m", "z"] }]);
  });

  it("ends the answers under way when it is stopped", async () => {
    const { body } = await ask("silent within");
    if (body instanceof Uint8Array) throw new Error("a whole answer");
    await host.stop(0);
    expect(await body.ended).toMatchObject({ kind: "failed", code: "HOST_CRASHED" });
    await open(0);
  });

  it.each(["text", "embeddings"] as const)(
    "ends the requests for %s that have no answer yet when it is stopped",
    async (kind) => {
      engine.trial = kind === "embeddings" ? "no stream" : undefined; // which is an answer to the first one
      const other = await start("m", { kind });
      engine.trial = "no head";
      const asking = outcomeOf(ask("no head", { of: other, kind, timeoutMs: LIMIT_MS }));
      await open(1);
      await other.stop(0);
      expect(await asking).toBe("HostFailure, started: the node took the model out of service");
      await open(0);
    },
  );

  it("ends an answer of which only comments come", async () => {
    const request = httpRequest(`${engine.url}/v1/completions`, { method: "POST" });
    request.end(JSON.stringify({ prompt: "comments within" }));
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const wanted = {
      api: "completion",
      model: "m",
      streams: true,
      includesUsage: false,
      choices: 1,
      generate: undefined,
    } as const;
    const { pieces } = new StreamedText({
      response,
      close: () => request.destroy(),
      engine: "engine",
      form: formOf(wanted, "1"),
      streams: true,
      choices: 1,
      startedAt: 0,
      tokenMs: 500,
    });
    expect(await pieces.stream.ended).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      detail: expect.stringContaining("no token came for 500 ms"),
    });
    await open(0);
  });

  it("counts what its engine does for others, and nothing of its own", async () => {
    const own = await ask("silent within");
    engine.metrics = 'vllm:num_requests_running{model_name="m"} 6\nvllm:num_requests_waiting{model_name="m"} 2\n';
    await outcomeOf(ask("cut within")); // so that the engine is looked at
    await eventually("the engine's metrics are read", () => host.others?.().running === 5);
    expect(host.others?.()).toEqual({ running: 5, waiting: 2 });
    if (!(own.body instanceof Uint8Array)) own.body.cancel();
    await open(0);
  });

  it("counts no request of this node's other models, where its engine does not tell models apart", async () => {
    engine.models = ["m", "n"];
    await outcomeOf(ask("cut within")); // so that the engine is looked at
    const other = await start("n");
    const own = [await ask("silent within"), await ask("silent within", { of: other })];
    engine.metrics = "llamacpp:requests_processing 3\nllamacpp:requests_deferred 0\n";
    await outcomeOf(ask("cut within"));
    await eventually("the engine's metrics are read", () => host.others?.().running === 1);
    expect([host.others?.(), other.others?.()]).toEqual(Array(2).fill({ running: 1, waiting: 0 }));
    for (const { body } of own) if (!(body instanceof Uint8Array)) body.cancel();
    await other.stop(0);
    await open(0);
  });

  it("ends the start of a model that is not wanted any more, while its engine does not answer", async () => {
    engine.trial = "no head";
    const abort = new AbortController();
    const starting = start("m", { signal: abort.signal });
    await open(1);
    abort.abort();
    await expect(starting).rejects.toMatchObject({ code: "ENGINE_AWAY" });
    await open(0);
  });

  it("is started again when an engine answers that cut off its first request, and has all that it had before", async () => {
    let changes = 0;
    engines.onChange(() => (changes += 1));
    engine.trial = "cut before the head";
    await expect(start("m")).rejects.toMatchObject({ code: "ENGINE_AWAY" });
    await eventually("the node hears of it", () => changes > 0);
  });

  it("starts when an engine that was away comes to have its model", async () => {
    const starting = start("later");
    engine.models = ["m", "later"];
    await outcomeOf(ask("cut within"));
    const later = await starting;
    expect(later.asks).toBe("text");
    await later.stop(0);
  });
});
