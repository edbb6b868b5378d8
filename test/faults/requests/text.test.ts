import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { tinyDecoder } from "../../support/models/text/tiny-decoder.ts";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";

/** So long that an answer which nobody stops takes seconds. */
const CONTEXT = 8_192;
const ENDLESS = { prompt: "a", max_tokens: 8_000, stream: true };

let database: TestDatabase;
let cluster: SkerryCluster;
let nodes: readonly ClusterNode[];
let version: ModelVersion;
/** Of the two nodes, once one was killed. */
let [survivor, victim]: ClusterNode[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  nodes = [await cluster.addNode("edge-a"), await cluster.addNode("edge-b")];
  version = await cluster.publish("tiny", tinyGguf({ contextTokens: CONTEXT }), { runtime: "gguf" });
  await cluster.deploy({ name: "tiny", model: "tiny", version: 1, placement: { edge: { min: 2 } } });
  await cluster.whenDeploymentReady("tiny", 60_000);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const ask = (request: object, signal?: AbortSignal, url = cluster.url): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "tiny", temperature: 0, ...request }),
    ...(signal && { signal }),
  });

/** Begins a stream, reads some of it and goes away. */
async function hangUp(request: object, url = cluster.url): Promise<void> {
  const controller = new AbortController();
  const answer = await ask(request, controller.signal, url);
  await answer.body?.getReader().read();
  controller.abort();
}

const whenIdle = (node: ClusterNode): Promise<true> =>
  until(`nothing is in flight at ${node.name}`, async () => (await inFlightAt(node)) === 0);

async function signalHosts({ process: agent }: ClusterNode, name: NodeJS.Signals): Promise<void> {
  for (const pid of await modelHostsOf(agent.child.pid ?? 0)) process.kill(pid, name);
}

const textOf = async (answer: Response): Promise<string | undefined> =>
  ((await answer.json()) as { choices?: { text: string }[] }).choices?.[0]?.text;

describe("a text model over real processes", () => {
  it("is recognised by its file", () => {
    expect(version).toMatchObject({
      state: "ready",
      format: "gguf",
      text: { architecture: "llama", contextTokens: CONTEXT },
    });
  });

  it("is recognised by its folder, where it is a decoder in ONNX, and answers as well", async () => {
    const decoder = await cluster.publishBundle("decoder", tinyDecoder(), { runtime: "generate" });
    expect(decoder).toMatchObject({
      state: "ready",
      format: "onnx",
      runtime: "generate",
      inputs: [],
      text: { architecture: "llama", hasChatTemplate: true, decoder: { layers: 1, inputs: ["position_ids"] } },
    });
    await cluster.deploy({ name: "decoder", model: "decoder", version: 1, placement: { edge: { min: 2 } } });
    await cluster.whenDeploymentReady("decoder", 60_000);
    for (const url of [cluster.url, ...nodes.map(({ localUrl }) => localUrl)]) {
      const answer = await ask({ model: "decoder", prompt: "abc", max_tokens: 4 }, undefined, url);
      expect([answer.status, await textOf(answer)]).toEqual([200, "defg"]);
    }
    const refused = await ask({ model: "decoder", prompt: "a", max_tokens: 100_000 });
    expect([refused.status, refused.headers.get("skerry-error")]).toEqual([400, "CONTEXT_TOO_LONG"]);
    await Promise.all([hangUp({ ...ENDLESS, model: "decoder", max_tokens: 500 }), ...nodes.map(whenIdle)]);
    await cluster.request("DELETE", "/deployments/decoder");
  });

  it("refuses a decoder whose parts do not belong together, by what differs", async () => {
    const files = tinyDecoder({ config: { num_hidden_layers: 7 } });
    const refused = await cluster.publishBundle("mixed", files, { runtime: "generate" });
    expect(refused).toMatchObject({
      state: "rejected",
      reason: expect.stringMatching(/the graph has 1 layers, and config.json says 7: they do not belong together/),
    });
  });

  it("answers through the control plane and at each node alike", async () => {
    for (const url of [cluster.url, ...nodes.map(({ localUrl }) => localUrl)]) {
      const answer = await ask({ prompt: "abc", max_tokens: 4 }, undefined, url);
      expect([answer.status, await textOf(answer)]).toEqual([200, "defg"]);
    }
  });

  it("answers the generate extension of /v2 at the control plane and at each node alike", async () => {
    for (const url of [cluster.url, ...nodes.map(({ localUrl }) => localUrl)]) {
      const answer = await fetch(`${url}/v2/models/tiny/generate`, {
        method: "POST",
        headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
        body: JSON.stringify({ text_input: "abc", parameters: { max_tokens: 4, temperature: 0 } }),
      });
      expect(await answer.json()).toEqual({ model_name: "tiny", model_version: "1", text_output: "defg" });
    }
  });

  it("is listed where it serves", async () => {
    for (const url of [cluster.url, ...nodes.map(({ localUrl }) => localUrl)]) {
      const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
      expect(await answer.json()).toMatchObject({ object: "list", data: [{ id: "tiny", object: "model" }] });
    }
  });

  it("stops generating when its callers hang up, streaming or not", async () => {
    // 24 answers that nobody stopped would take the eight sequences minutes.
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 6 }, () => hangUp(ENDLESS)));
      await Promise.all(nodes.map(({ localUrl }) => hangUp({ ...ENDLESS, stream: false }, localUrl)));
    }
    await Promise.all(nodes.map(whenIdle));
    const answer = await ask({ prompt: "xyz", max_tokens: 3 });
    expect(await textOf(answer)).toBe("abc");
  });

  it("counts the tokens of answers whose callers hang up", async () => {
    const counted = async (): Promise<number> => {
      const answer = await fetch(`${cluster.url}/metrics`, {
        headers: { authorization: `Bearer ${cluster.adminKey}` },
      });
      return Number(
        /^skerry_text_tokens_total\{model="tiny",kind="output"\} (\d+)/m.exec(await answer.text())?.[1] ?? 0,
      );
    };
    await Promise.all(nodes.map(whenIdle));
    const before = await counted();
    await hangUp(ENDLESS);
    expect(await until("its tokens are counted", async () => (await counted()) > before)).toBe(true);
  });

  it("refuses what it cannot answer before a token is made, in the form that clients read", async () => {
    const answer = await ask({ prompt: "a", max_tokens: 100_000 });
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([400, "CONTEXT_TOO_LONG"]);
    expect(await answer.json()).toEqual({
      error: {
        message: expect.stringMatching(/^This model's maximum context length is \d+ tokens/),
        type: "invalid_request_error",
        param: null,
        code: "context_length_exceeded",
      },
    });
  });

  it("loses no request whose node is killed before the first token", async () => {
    await Promise.all(nodes.map(whenIdle));
    await Promise.all(nodes.map((node) => signalHosts(node, "SIGSTOP")));
    const answers = Array.from({ length: 8 }, () => ask({ prompt: "abc", max_tokens: 4 }));
    const waiting = await until("all of them wait", async () => {
      const counts = await Promise.all(nodes.map(inFlightAt));
      return counts.reduce((sum, count) => sum + count, 0) === answers.length ? counts : undefined;
    });
    [survivor, victim] = nodes.toSorted((a, b) => (waiting[nodes.indexOf(a)] ?? 0) - (waiting[nodes.indexOf(b)] ?? 0));
    await victim?.process.kill();
    if (survivor) await signalHosts(survivor, "SIGCONT");
    const texts = await Promise.all(answers.map(async (answer) => textOf(await answer)));
    expect(texts).toEqual(Array.from({ length: 8 }, () => "defg"));
  }, 120_000);

  it("ends a stream whose node is killed with an error, and not as if it were whole", async () => {
    const stream = await ask(ENDLESS);
    const rest = stream.text();
    await survivor?.process.kill();
    const events = (await rest).trim().split("\n\n");
    expect(events.at(-1)).toMatch(/^data: \{"error":\{.*"code":"NODE_LOST"\}\}$/);
    expect(events).not.toContain("data: [DONE]");
  }, 120_000);
});
