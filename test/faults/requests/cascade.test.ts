import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/**
 * A small model at two edge nodes, which is unsure after the letters t to z, and a large one at a cloud node, which writes the
 * alphabet backwards. All connections of nodes pass through a proxy that is read and broken.
 */

const CONTEXT = 4_096;

let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;
let edges: readonly ClusterNode[];
let cloud: ClusterNode;
/** What went to nodes, by connection, since it was last emptied. */
const sent = new Map<object, Buffer[]>();

beforeAll(async () => {
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
  cloud = await cluster.addNode("cloud-a", { kind: "cloud" });
  await cluster.publish("tiny", tinyGguf({ contextTokens: 512, unsureAfter: "tuvwxyz" }), { runtime: "gguf" });
  await cluster.publish("big", tinyGguf({ contextTokens: CONTEXT, isBackwards: true }), { runtime: "gguf" });
  await cluster.deploy({ name: "large", model: "big", version: 1, placement: { cloud: { min: 1 } } });
  await cluster.deploy({
    name: "tiny",
    model: "tiny",
    version: 1,
    placement: { edge: { min: 2 } },
    cascade: { to: "large", when: { doubt: { tokens: 4, meanLogprob: -1 }, promptCharacters: 100 } },
  });
  await cluster.whenDeploymentReady("large", 60_000);
  await cluster.whenDeploymentReady("tiny", 60_000);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
});

const ask = (request: object, headers: Readonly<Record<string, string>> = {}, url = cluster.url): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${cluster.adminKey}`,
      "content-type": "application/json",
      "skerry-timeout-ms": "60000",
      ...headers,
    },
    body: JSON.stringify({ model: "tiny", temperature: 0, max_tokens: 6, ...request }),
  });

interface Seen {
  readonly text: string;
  readonly version: string | null;
  readonly route: string | null;
}

async function seen(answer: Response): Promise<Seen> {
  const { choices } = (await answer.json()) as { readonly choices?: readonly { readonly text: string }[] };
  const [version, route] = [answer.headers.get("skerry-model-version"), answer.headers.get("skerry-route")];
  return { text: choices?.[0]?.text ?? "", version, route };
}

/** All text of a stream, and its last event. */
async function streamed(answer: Response): Promise<{ readonly text: string; readonly last: string | undefined }> {
  const events = (await answer.text()).trim().split("\n\n");
  const texts = events.flatMap((event) => /"text":"([a-z]*)"/.exec(event)?.[1] ?? []);
  return { text: texts.join(""), last: events.at(-1) };
}

/** The connections on which a text went to a node. */
const linksWith = (text: string): readonly object[] =>
  [...sent].filter(([, pieces]) => Buffer.concat(pieces).includes(text)).map(([link]) => link);

const whenIdle = (node: ClusterNode): Promise<true> =>
  until(`nothing is in flight at ${node.name}`, async () => (await inFlightAt(node)) === 0);

describe("a cascade over real processes", () => {
  it("answers from the small model while that is sure, and from the large one when it is in doubt", async () => {
    const sure = await seen(await ask({ prompt: "abc" }));
    expect(sure).toMatchObject({ text: "defghi", version: "tiny:1" });
    expect(sure.route).not.toMatch(/rule=|closed=/);
    const doubtful = await seen(await ask({ prompt: "rst" }));
    expect(doubtful).toMatchObject({ text: "srqpon", version: "big:1" });
    expect(doubtful.route).toMatch(/reason=cascade, .*rule=doubt/);
    // What the small model had begun is dropped.
    await Promise.all(edges.map(whenIdle));
  });

  it("never shows a text that is replaced, and ends a long one at once where it is dropped", async () => {
    const request = { prompt: "rst", max_tokens: 400, stream: true };
    const answers = await Promise.all(Array.from({ length: 3 }, () => ask(request)));
    for (const answer of answers) {
      const { text, last } = await streamed(answer);
      expect(text).toMatch(/^srqponmlkjihgfedcbazyxwvuts/);
      expect([text.length, last]).toEqual([400, "data: [DONE]"]);
    }
    await Promise.all(edges.map(whenIdle));
    const { text, last } = await streamed(await ask({ prompt: "abc", max_tokens: 30, stream: true }));
    expect([text, last]).toEqual(["defghijklmnopqrstuvwxyzabcdefg", "data: [DONE]"]);
  });

  it("asks the large model by the header, by a long prompt, and by one that does not fit the small one", async () => {
    const byHeader = await seen(await ask({ prompt: "abc" }, { "skerry-cascade": "large" }));
    expect(byHeader).toMatchObject({ text: "bazyxw", route: expect.stringMatching(/rule=header/) });
    const byLength = await seen(await ask({ prompt: `${"a".repeat(100)}c` }));
    expect(byLength).toMatchObject({ text: "bazyxw", route: expect.stringMatching(/rule=prompt/) });
    const tooLong = await seen(await ask({ prompt: "abc", max_tokens: 600 }));
    expect(tooLong).toMatchObject({ version: "big:1", route: expect.stringMatching(/rule=prompt/) });
    expect(await seen(await ask({ prompt: "rst" }, { "skerry-cascade": "small" }))).toMatchObject({ text: "uvwxyz" });
  });

  it("sends no byte of a request to the cloud that must stay at the edge, and says that it is closed", async () => {
    sent.clear();
    await seen(await ask({ prompt: "forthecloud" }, { "skerry-cascade": "large" }));
    const [cloudLink, ...others] = linksWith("forthecloud");
    expect([cloudLink !== undefined, others]).toEqual([true, []]);

    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, at) =>
        ask(
          { prompt: `${at}secret${at % 2 === 0 ? "rst" : "c"}` },
          { "skerry-residency": "edge-only", ...(at % 3 === 0 && { "skerry-cascade": "large" }) },
        ),
      ),
    );
    for (const { version, route } of await Promise.all(answers.map(seen)))
      expect([version, route]).toEqual(["tiny:1", expect.stringMatching(/closed=residency/)]);
    const secretLinks = linksWith("secret");
    expect([secretLinks.length > 0, secretLinks.includes(cloudLink ?? {})]).toEqual([true, false]);
  });

  it("counts what became of it", async () => {
    const answer = await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
    const text = await answer.text();
    const counted = (rule: string, outcome: string): number =>
      Number(
        new RegExp(`skerry_cascades_total\\{deployment="tiny",rule="${rule}",outcome="${outcome}"\\} (\\d+)`).exec(
          text,
        )?.[1],
      );
    expect([counted("doubt", "escalated"), counted("prompt", "escalated"), counted("header", "residency")]).toEqual([
      4, 2, 8,
    ]);
    expect(counted("none", "residency")).toBe(16);
    expect(text).toMatch(/skerry_cascade_uploaded_bytes_total\{deployment="tiny"\} [1-9]/);
  });

  it("answers from the small model within the deadline while the large one hangs or is gone, and asks it again later", async () => {
    const hosts = await modelHostsOf(cloud.process.child.pid ?? 0);
    for (const pid of hosts) process.kill(pid, "SIGSTOP");
    const hung = await seen(await ask({ prompt: "rst" }, { "skerry-timeout-ms": "6000" }));
    expect(hung).toMatchObject({
      text: "uvwxyz",
      version: "tiny:1",
      route: expect.stringMatching(/rule=doubt, closed=failed/),
    });
    await cloud.process.kill();
    const gone = await seen(await ask({ prompt: "rst" }));
    expect(gone).toMatchObject({ text: "uvwxyz", version: "tiny:1", route: expect.stringMatching(/closed=/) });
    cloud.restart();
    await until(
      "the large model answers again",
      async () => {
        const { version } = await seen(await ask({ prompt: "rst" }));
        return version === "big:1";
      },
      60_000,
    );
  }, 180_000);

  it("answers at the node itself from the small model while the cable is out", async () => {
    const [{ localUrl } = { localUrl: "" }] = edges;
    proxy.break({ blackhole: "both" });
    expect(await seen(await ask({ prompt: "rst" }, {}, localUrl))).toMatchObject({ text: "uvwxyz", version: "tiny:1" });
    const { text, last } = await streamed(
      await ask({ prompt: "rst", stream: true }, { "skerry-cascade": "large" }, localUrl),
    );
    expect([text, last]).toEqual(["uvwxyz", "data: [DONE]"]);
    proxy.heal();
  }, 120_000);
});
