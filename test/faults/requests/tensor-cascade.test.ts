import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadDigits, splitDigits } from "../../../examples/digits/dataset.ts";
import type { Digit } from "../../../examples/digits/digit.ts";
import { SPLIT } from "../../../examples/digits/recipes.ts";
import { floats, npz } from "../../unit/cli/support/npz.ts";
import { runCli } from "../../unit/cli/support/run-cli.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";

/** The small digits model at an edge node, the large one behind it at a cloud node. All connections of nodes pass through a proxy. */
const MODELS = path.resolve(import.meta.dirname, "../../../examples/digits/models");
/** Below it an answer of the small model is in doubt. */
const THRESHOLD = 0.9;
const DEADLINE_MS = 20_000;

let directory: string;
let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;
let cloud: ClusterNode;
/** What went to nodes, by connection, since it was last emptied. */
const sent = new Map<object, Buffer[]>();
/** Every tenth of the digits that no model was trained on. */
const digits = splitDigits(loadDigits(), SPLIT.heldOutShare, SPLIT.seed).heldOut.filter((_, i) => i % 10 === 0);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-cascade-"));
  database = await startTestDatabase();
  proxy = await TcpProxy.start({
    onBytes: (link, direction, bytes) => {
      if (direction === "down") sent.set(link, [...(sent.get(link) ?? []), bytes]);
    },
  });
  const url = `ws://127.0.0.1:${proxy.port}`;
  cluster = await SkerryCluster.start(database.url, { SKERRY_NODE_URLS: url, SKERRY_PEER_URL: url });
  proxy.pointAt(cluster.port);
  await cluster.addNode("edge-a");
  for (const name of ["digits-small", "digits"])
    await cluster.publish(name, await readFile(path.join(MODELS, `${name}.onnx`)));
  cloud = await cluster.addNode("cloud-a", { kind: "cloud" });
  await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { cloud: { min: 1 } } });
  await cluster.deploy({
    name: "digits-small",
    model: "digits-small",
    version: 1,
    placement: { edge: { min: 1 } },
    cascade: { to: "digits", when: { answer: { measure: "confidence", threshold: THRESHOLD } } },
  });
  await cluster.whenDeploymentReady("digits", 60_000);
  await cluster.whenDeploymentReady("digits-small", 60_000);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Seen {
  readonly isRight: boolean;
  readonly model: string | undefined;
  readonly route: string;
}

interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly model?: string;
  /** Of the request: what is looked for in what went to nodes. */
  readonly id?: string;
}

async function ask({ label, pixels }: Digit, { headers = {}, model = "digits-small", id = "q" }: Ask): Promise<Seen> {
  const inputs = [{ name: "image", shape: [1, 1, 28, 28], datatype: "FP32", data: [...pixels] }];
  const answer = await fetch(`${cluster.url}/v2/models/${model}/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "skerry-timeout-ms": String(DEADLINE_MS), ...headers },
    body: JSON.stringify({ id, inputs }),
  });
  expect(answer.status).toBe(200);
  const body = (await answer.json()) as {
    readonly model_name: string;
    readonly outputs: readonly { readonly data: number[] }[];
  };
  const scores = body.outputs[0]?.data ?? [];
  const version = answer.headers.get("skerry-model-version")?.split(":")[0];
  expect(body.model_name).toBe(version);
  return {
    isRight: scores.indexOf(Math.max(...scores)) === label,
    model: version,
    route: answer.headers.get("skerry-route") ?? "",
  };
}

async function askAll(how: Ask = {}): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (let at = 0; at < digits.length; at += 16)
    seen.push(...(await Promise.all(digits.slice(at, at + 16).map((digit) => ask(digit, how)))));
  return seen;
}

/** The connections on which a text went to a node. */
const linksWith = (text: string): readonly object[] =>
  [...sent].filter(([, pieces]) => Buffer.concat(pieces).includes(text)).map(([link]) => link);

const share = (seen: readonly Seen[], is: (each: Seen) => boolean): number => seen.filter(is).length / seen.length;

describe("a cascade of tensors over real processes", () => {
  it("asks the large model where the small one is in doubt, and is nearly as right as the large one", async () => {
    const seen = await askAll();
    const small = await askAll({ headers: { "skerry-cascade": "small" } });
    const large = await askAll({ model: "digits" });
    const escalated = share(seen, ({ model }) => model === "digits");
    for (const { model, route } of seen) expect(/reason=cascade, .*rule=doubt/.test(route)).toBe(model === "digits");
    expect(escalated).toBeLessThanOrEqual(0.2);
    const rightOf = (each: readonly Seen[]): number => share(each, ({ isRight }) => isRight);
    // On this part of the digits; docs/cascades.md has the figures of all.
    expect(rightOf(seen)).toBeGreaterThanOrEqual(rightOf(large) - 0.005);
    expect(rightOf(seen)).toBeGreaterThan(rightOf(small));
    const { cascade } = await cluster.get<{ cascade: { counted: Record<string, number> } }>(
      "/deployments/digits-small/explain",
    );
    expect(cascade.counted).toMatchObject({
      requests: digits.length * 2,
      compared: Math.round(escalated * digits.length),
    });
  }, 180_000);

  it("sends no byte of a request that must stay at the edge to the cloud, and says that it is closed", async () => {
    sent.clear();
    const [digit] = digits;
    if (digit === undefined) throw new Error("there are no digits");
    await ask(digit, { headers: { "skerry-cascade": "large" }, id: "for-the-cloud" });
    const [cloudLink, ...others] = linksWith("for-the-cloud");
    expect([cloudLink !== undefined, others]).toEqual([true, []]);
    const seen = await askAll({ headers: { "skerry-residency": "edge-only" }, id: "stays-at-the-edge" });
    expect(seen.every(({ model, route }) => model === "digits-small" && route.includes("closed=residency"))).toBe(true);
    const links = linksWith("stays-at-the-edge");
    expect([links.length > 0, links.includes(cloudLink ?? {})]).toEqual([true, false]);
  }, 120_000);

  it("finds a threshold by labelled data, and changes nothing", async () => {
    const file = path.join(directory, "digits.npz");
    const image = floats(
      [digits.length, 1, 28, 28],
      digits.flatMap(({ pixels }) => [...pixels]),
    );
    await writeFile(
      file,
      npz({
        image,
        labels: floats(
          [digits.length],
          digits.map(({ label }) => label),
        ),
      }),
    );
    const words = ["cascade", "calibrate", "digits-small", "--data", file, "--tolerance", "0.02", "-o", "json"];
    const env = { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey };
    const { stdout, stderr, exitCode } = await runCli(words, { env });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const { answer, chosen } = JSON.parse(stdout) as Record<"answer" | "chosen", Record<string, number>>;
    expect(answer).toMatchObject({ measure: "confidence", output: "probabilities" });
    expect(chosen["escalated"]).toBeLessThan(0.4);
    expect(chosen["right"]).toBeGreaterThanOrEqual((chosen["rightOfLarge"] ?? 1) - 0.02);
  }, 120_000);

  it("answers each request within its deadline from the small model when the cloud is gone", async () => {
    await cloud.process.kill();
    const seen = await askAll();
    expect(share(seen, ({ model }) => model === "digits-small")).toBe(1);
  }, 120_000);
});
