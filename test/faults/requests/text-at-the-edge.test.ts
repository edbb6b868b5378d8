import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";

/** A text model at two edge nodes and one cloud node, whose connections all pass through a proxy that is read and broken. */

const CONTEXT = 8_192;

let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;
let edges: readonly ClusterNode[];
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
  await cluster.addNode("cloud-a", { kind: "cloud" });
  await cluster.publish("tiny", tinyGguf({ contextTokens: CONTEXT }), { runtime: "gguf" });
  const placement = { edge: { min: 2 }, cloud: { min: 1 } };
  await cluster.deploy({ name: "tiny", model: "tiny", version: 1, placement });
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
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "tiny", temperature: 0, max_tokens: 4, ...request }),
  });

const TURNS = 16;

/** The connections on which a text went to a node. */
const linksWith = (text: string): readonly object[] =>
  [...sent].filter(([, pieces]) => Buffer.concat(pieces).includes(text)).map(([link]) => link);

describe("a text model at the edge and in the cloud", () => {
  it("sends no prompt to the cloud that must stay at the edge, whatever its session and its load", async () => {
    sent.clear();
    const cloud = await ask({ prompt: "forthecloud" }, { "skerry-prefer": "node=cloud-a" });
    expect([cloud.status, cloud.headers.get("skerry-node")]).toEqual([200, "cloud-a"]);
    const cloudLinks = linksWith("forthecloud");
    expect(cloudLinks).toHaveLength(1);

    const secrets = Array.from({ length: 24 }, (_, at) =>
      ask({ prompt: `secret${at}` }, { "skerry-residency": "edge-only" }),
    );
    const answers = await Promise.all(secrets);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map((answer) => answer.headers.get("skerry-node")))).toEqual(new Set(["edge-a", "edge-b"]));
    const secretLinks = linksWith("secret");
    expect(secretLinks).toHaveLength(2);
    expect(secretLinks).not.toContain(cloudLinks[0]);
  });

  it("keeps the requests of a session at one replica, and says so", async () => {
    // What its home saves of a long prompt is more than what a busy machine delays it by, however slow both are.
    const conversation = "abcdefghij".repeat(CONTEXT / 40);
    const nodes: (string | null)[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const answer = await ask({ prompt: `${conversation} turn ${turn}`, max_tokens: 1 }, { "x-session-id": "mine" });
      expect(answer.headers.get("skerry-route")).toMatch(/reason=affinity/);
      nodes.push(answer.headers.get("skerry-node"));
      await answer.text();
    }
    expect(nodes).toEqual(nodes.map(() => nodes[0]));
  });

  it("answers at the node itself while its cable is out, and goes on when it is in again", async () => {
    const [{ localUrl } = { localUrl: "" }] = edges;
    const begun = await ask({ prompt: "a", max_tokens: 4_000, stream: true }, {}, localUrl);
    proxy.break({ blackhole: "both" });
    const whole = await begun.text();
    expect(whole.trim().split("\n\n").at(-1)).toBe("data: [DONE]");
    const answer = await ask({ prompt: "abc" }, {}, localUrl);
    expect(await answer.json()).toMatchObject({ choices: [{ text: "defg" }] });
    proxy.heal();
    // On a slow machine the cut lasted as long as it takes until nodes are suspect, and then no replica is asked before one is back.
    for (const name of ["edge-a", "edge-b", "cloud-a"]) await cluster.whenNode(name, "ready");
    const routed = await ask({ prompt: "xyz" });
    expect(await routed.json()).toMatchObject({ choices: [{ text: "abcd" }] });
  }, 120_000);
});
