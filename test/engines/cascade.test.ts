import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { tinyGguf, writeTinyGguf } from "../support/models/text/tiny-gguf.ts";
import { TcpProxy } from "../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { LlamaServer } from "../support/processes/engines/llama-server.ts";
import { inFlightAt } from "../support/processes/faults/node-faults.ts";
import { modelHostsOf } from "../support/processes/process-facts.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";

/**
 * Two edge nodes with a small model, which is unsure after the letters t to z, and one cloud node with llama.cpp's own server
 * beside it, whose model writes the alphabet backwards. All connections of nodes pass through a proxy that is read and broken.
 */

const CONTEXT = 32_768;
/** Of a stream that is under way when something breaks: it takes seconds. */
const LONG = { max_tokens: 3_000, stream: true };
/** No answer takes longer, whatever breaks. */
const PATIENCE_MS = 30_000;

let folder: string;
let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;
let engine: LlamaServer;
let edges: readonly [ClusterNode, ClusterNode];
/** What went to nodes, by connection, since it was last emptied. */
const sent = new Map<object, Buffer[]>();

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-cascade-"));
  const model = path.join(folder, "big.gguf");
  await writeTinyGguf(model, { contextTokens: CONTEXT, isBackwards: true });
  engine = await LlamaServer.start({ model, alias: "big-of-the-engine", slots: 4, context: CONTEXT });
  database = await startTestDatabase();
  proxy = await TcpProxy.start({
    onBytes: (link, direction, bytes) => {
      if (direction === "down") sent.set(link, [...(sent.get(link) ?? []), bytes]);
    },
  });
  const url = `ws://127.0.0.1:${proxy.port}`;
  cluster = await SkerryCluster.start(database.url, { SKERRY_NODE_URLS: url, SKERRY_PEER_URL: url });
  proxy.pointAt(cluster.port);
  edges = [await cluster.addNode("edge-a"), await cluster.addNode("edge-b")];
  await cluster.addNode("cloud-a", { kind: "cloud", env: { SKERRY_ENGINES: `openai=${engine.url}` } });
  const named = Buffer.from('{"model": "big-of-the-engine", "kind": "text"}');
  await cluster.publishBundle("big", { "engine.json": named }, { runtime: "engine" });
  await cluster.publish("tiny", tinyGguf({ contextTokens: 8_192, unsureAfter: "tuvwxyz" }), { runtime: "gguf" });
  await cluster.deploy({ name: "large", model: "big", version: 1, placement: { cloud: { min: 1 } } });
  await cluster.deploy({
    name: "tiny",
    model: "tiny",
    version: 1,
    placement: { edge: { min: 2 } },
    cascade: { to: "large", when: { doubt: { tokens: 4, meanLogprob: -1 } } },
  });
  await cluster.whenDeploymentReady("large", 60_000);
  await cluster.whenDeploymentReady("tiny", 60_000);
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
  await engine?.kill();
  await proxy?.stop();
  await database?.stop();
  await rm(folder, { recursive: true, force: true });
});

const ask = (request: object, headers: Readonly<Record<string, string>> = {}, url = cluster.url): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${cluster.adminKey}`,
      "content-type": "application/json",
      "skerry-timeout-ms": "20000",
      ...headers,
    },
    body: JSON.stringify({ model: "tiny", temperature: 0, max_tokens: 6, ...request }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });

interface Seen {
  readonly status: number;
  readonly text: string;
  readonly version: string | null;
  readonly route: string;
}

async function seen(answer: Response): Promise<Seen> {
  const { choices } = (await answer.json()) as { readonly choices?: readonly { readonly text: string }[] };
  const [version, route] = [answer.headers.get("skerry-model-version"), answer.headers.get("skerry-route") ?? ""];
  return { status: answer.status, text: choices?.[0]?.text ?? "", version, route };
}

/** The text of a stream, and how it ended: whole, or with the code of an error. */
async function streamed(answer: Response): Promise<{ readonly text: string; readonly end: string }> {
  const events = (await answer.text()).trim().split("\n\n");
  const last = events.at(-1) ?? "";
  const text = events.flatMap((event) => /"text":"([a-z]*)"/.exec(event)?.[1] ?? []).join("");
  return { text, end: last === "data: [DONE]" ? "whole" : (/"code":"(\w+)"/.exec(last)?.[1] ?? "cut") };
}

const linksWith = (text: string): readonly object[] =>
  [...sent].filter(([, pieces]) => Buffer.concat(pieces).includes(text)).map(([link]) => link);

/** Tokens of prompts that the engine has seen. */
async function tokensOfEngine(): Promise<string | undefined> {
  const metrics = await (await fetch(`${engine.url}/metrics`)).text();
  return /^llamacpp:prompt_tokens_total (\S+)/m.exec(metrics)?.[1];
}

const whenEngineAnswers = (): Promise<true> =>
  until(
    "the engine answers for the cascade",
    async () => (await seen(await ask({ prompt: "rst" }))).version === "big:1",
    60_000,
  );

describe("a small model at two edge nodes, with an engine beside a cloud node behind it", () => {
  it("is answered by the engine when the small model is in doubt", async () => {
    expect(await seen(await ask({ prompt: "abc" }))).toMatchObject({ text: "defghi", version: "tiny:1" });
    expect(await seen(await ask({ prompt: "rst" }))).toMatchObject({
      text: "srqpon",
      version: "big:1",
      route: expect.stringMatching(/reason=cascade, .*rule=doubt/),
    });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask({ prompt: "rst", ...LONG, max_tokens: 200 })),
    );
    for (const { text, end } of await Promise.all(answers.map(streamed)))
      expect([text.slice(0, 20), end]).toEqual(["srqponmlkjihgfedcbaz", "whole"]);
  });

  it("sends no byte of a request to the cloud that must stay at the edge", async () => {
    sent.clear();
    await seen(await ask({ prompt: "forthecloud" }, { "skerry-cascade": "large" }));
    const [cloudLink, ...others] = linksWith("forthecloud");
    expect([cloudLink !== undefined, others.length]).toEqual([true, 0]);
    const before = await tokensOfEngine();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        ask({ prompt: `${at}secret${at % 2 === 0 ? "rst" : "abc"}` }, { "skerry-residency": "edge-only" }),
      ),
    );
    for (const { status, version, route } of await Promise.all(answers.map(seen)))
      expect([status, version, route]).toEqual([200, "tiny:1", expect.stringMatching(/closed=residency/)]);
    const links = linksWith("secret");
    expect([links.length > 0, links.includes(cloudLink ?? {})]).toEqual([true, false]);
    expect(await tokensOfEngine()).toBe(before);
  });

  it("loses no request whose edge node is killed before the head of its answer", async () => {
    const hosts = await Promise.all(edges.map(({ process: { child } }) => modelHostsOf(child.pid ?? 0)));
    const signal = (at: number, name: NodeJS.Signals): void => {
      for (const pid of hosts[at] ?? []) process.kill(pid, name);
    };
    edges.forEach((_, at) => signal(at, "SIGSTOP"));
    const asked = Array.from({ length: 12 }, (_, at) => ask({ prompt: at % 2 === 0 ? "abc" : "rst" }));
    const waiting = await until("all of them wait", async () => {
      const counts = await Promise.all(edges.map(inFlightAt));
      return counts.reduce((sum, count) => sum + count, 0) === asked.length ? counts : undefined;
    });
    const victim = (waiting[0] ?? 0) >= (waiting[1] ?? 0) ? 0 : 1;
    await edges[victim]?.process.kill();
    signal(1 - victim, "SIGCONT");
    const found = await Promise.all(asked.map(async (answer) => seen(await answer)));
    expect(found.map(({ status, text }) => [status, text])).toEqual(
      found.map((_, at) => [200, at % 2 === 0 ? "defghi" : "srqpon"]),
    );
    expect(Math.max(...waiting)).toBeGreaterThan(0);
    edges[victim]?.restart();
    await cluster.whenNode(edges[victim]?.name ?? "", "ready");
    await cluster.whenDeploymentReady("tiny", 60_000);
  }, 120_000);

  it("ends the streams of an engine that is killed under load with a code, and answers new requests from the small model", async () => {
    const streams = Array.from({ length: 4 }, async () =>
      streamed(await ask({ prompt: "abc", ...LONG }, { "skerry-cascade": "large" })),
    );
    await until("the engine is busy", async () => (await engine.busy()) >= 4, 10_000);
    const load: Promise<Seen>[] = [];
    const timer = setInterval(() => load.push(ask({ prompt: load.length % 2 === 0 ? "abc" : "rst" }).then(seen)), 50);
    await until("some of the load has been sent", () => load.length >= 10);
    await engine.kill();
    const ends = await Promise.all(streams);
    await until("more of the load has been sent", () => load.length >= 80, 30_000);
    clearInterval(timer);
    const answers = await Promise.all(load);
    expect(ends.map(({ end }) => end)).toEqual(ends.map(() => "HOST_CRASHED"));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    // Each text is of one model alone.
    for (const { text, version } of answers)
      expect(version === "big:1" ? ["srqpon"] : ["defghi", "uvwxyz"]).toContain(text);
    expect(answers.slice(-20).map(({ version }) => version)).toEqual(Array.from({ length: 20 }, () => "tiny:1"));
    expect(answers.at(-1)?.route).toMatch(/closed=(unavailable|breaker|failed)/);
    await engine.start();
    await whenEngineAnswers();
  }, 180_000);

  it("answers at the node itself while its cable is out", async () => {
    const [{ localUrl }] = edges;
    const begun = await ask({ prompt: "rst", ...LONG }, {}, localUrl);
    proxy.break({ blackhole: "both" });
    expect(await streamed(begun)).toMatchObject({ text: expect.stringMatching(/^uvwxyzabc/), end: "whole" });
    expect(await seen(await ask({ prompt: "rst" }, {}, localUrl))).toMatchObject({ text: "uvwxyz", version: "tiny:1" });
    proxy.heal();
    await whenEngineAnswers();
  }, 120_000);
});
