import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import type { Rollout } from "../../shared/api/v1/rollouts/rollouts.ts";
import { unknownOperatorModel } from "../support/models/onnx/hostile-models.ts";
import { largeModel } from "../support/models/onnx/large-model.ts";
import { ROWS, scoresModel, scoreTable } from "../support/models/onnx/scores-model.ts";
import { TcpProxy } from "../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { modelHostsOf } from "../support/processes/process-facts.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../support/processes/steady-load.ts";
import { runCli } from "../unit/cli/support/run-cli.ts";
import { npy, npz } from "../unit/cli/support/npz.ts";

/** Ten processes on a machine that neighbours may keep busy. */
const PATIENCE_MS = 240_000;
/** From the decision to return to the last request that the bad version was sent. */
const MAX_RETURN_MS = 5_000;

const NODES = [
  ...["a", "b", "c", "d", "e", "f"].map((name) => ({ name: `edge-${name}`, kind: "edge" as const })),
  ...["a", "b"].map((name) => ({ name: `cloud-${name}`, kind: "cloud" as const })),
];
const UNPLUGGED = ["edge-a", "edge-b", "edge-c", "cloud-a"];
const CANARY = { strategy: "canary", waves: [{ percent: 25 }, { percent: 50 }] };

let database: TestDatabase;
let cluster: SkerryCluster;
/** Every node's sockets go through it. */
let proxy: TcpProxy;

beforeAll(async () => {
  database = await startTestDatabase();
  proxy = await TcpProxy.start();
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_NODE_URLS: `ws://127.0.0.1:${proxy.port}`,
    SKERRY_SUSPECT_MS: "15000",
    SKERRY_LOST_MS: "20000",
  });
  proxy.pointAt(cluster.port);
  // Also where they join: an address that does not answer is followed by the one that they know from there.
  const env = { SKERRY_URL: `http://127.0.0.1:${proxy.port}` };
  for (const { name, kind } of NODES) await cluster.addNode(name, { kind, env });
  await cluster.publish("scores", scoresModel(scoreTable()));
  await deploy("scores", 1, CANARY);
  await cluster.whenDeploymentReady("scores", PATIENCE_MS);
}, 600_000);
afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
});

const deploy = (name: string, version: number, rollout: object) =>
  cluster.deploy({
    name,
    model: name,
    version,
    placement: { edge: { every: true }, cloud: { every: true }, spread: "none" },
    // What ends the host of one version ends none of the other.
    limits: { isolation: "dedicated" },
    rollout,
  });

const rolloutOf = (name: string): Promise<Rollout | undefined> =>
  cluster.get<Rollout>(`/deployments/${name}/rollout`).catch(() => undefined);

/** The rollout of the deployment to `version` when `holds`. What it is instead goes into the error. */
async function when(name: string, version: number, holds: (rollout: Rollout) => boolean): Promise<Rollout> {
  let last: Rollout | undefined;
  const look = async (): Promise<Rollout | undefined> => {
    last = await rolloutOf(name);
    return last?.to === version && holds(last) ? last : undefined;
  };
  return until(`the rollout of ${name} to ${version} is there`, look, PATIENCE_MS).catch((error: unknown) => {
    throw new Error(`it is ${JSON.stringify(last)}`, { cause: error });
  });
}

const hasEnded = ({ phase }: Rollout): boolean => ["promoted", "rolled-back", "paused"].includes(phase);

interface Request {
  /** By the calendar, in ms. */
  readonly sentAt: number;
  /** `scores:2`, of an answer or a failure. */
  readonly version: string;
}

/** Callers of a model: `perSecond` each second until `stop`. */
function callers(model: string, perSecond: number) {
  const requests: Request[] = [];
  let index = 0;
  const load = steadyLoad(perSecond, async () => {
    index = (index + 1) % ROWS;
    const sentAt = Date.now();
    const inputs = [{ name: "index", shape: [1], datatype: "INT64", data: [index] }];
    const answer = await cluster.infer(model, { inputs });
    requests.push({ sentAt, version: answer.headers.get("skerry-model-version") ?? "" });
    return answer;
  });
  return { ...load, requests };
}

const print = (text: string): boolean => process.stdout.write(`${text}\n`);

/** What an operator sees of the newest rollout. */
async function screenOf(name: string): Promise<string> {
  const env = { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey };
  return (await runCli(["rollout", "status", name], { env })).stdout;
}

/** A version that has to return in its first wave, and how long it was asked after that was decided. */
async function returns(
  model: string,
  of: {
    readonly version: number;
    readonly rollout: object;
    readonly perSecond: number;
    readonly meanwhile?: () => Promise<void>;
  },
) {
  const { version, rollout, perSecond, meanwhile } = of;
  const load = callers(model, perSecond);
  try {
    await deploy(model, version, rollout);
    await meanwhile?.();
    const ended = await when(model, version, hasEnded);
    const enough = load.sent() + 3 * perSecond;
    await until("callers ask on", () => load.ended.length > enough, PATIENCE_MS);
    const samples = await load.stop();
    const verdictAt = Date.parse(ended.notes.find(({ what }) => what.includes(" returns to "))?.at ?? "");
    const last = Math.max(
      ...load.requests.filter((each) => each.version === `${model}:${version}`).map(({ sentAt }) => sentAt),
      0,
    );
    const screen = await screenOf(model);
    print(screen);
    print(
      `${model}:${version} ${ended.phase} in wave ${ended.wave}; last request to it ${last === 0 ? "never" : `${last - verdictAt} ms after the verdict`}; ${samples.length} requests`,
    );
    expect(ended).toMatchObject({ phase: "rolled-back", wave: 1, share: 0 });
    expect(last).toBeLessThanOrEqual(verdictAt + MAX_RETURN_MS);
    return {
      ended,
      screen,
      samples,
      asked: load.requests.filter((each) => each.version === `${model}:${version}`).length,
    };
  } finally {
    await load.stop();
  }
}

/** The version of all nodes while no rollout of `scores` is under way. */
async function stableVersion(): Promise<number> {
  const last = await rolloutOf("scores");
  return (last?.phase === "promoted" ? last.to : last?.from) ?? 1;
}

const serving = async (name: string): Promise<readonly string[]> =>
  (await cluster.placements(name))
    .filter(({ wanted }) => wanted === "serve")
    .map(({ node, version, state }) => `${node} ${version} ${state}`)
    .toSorted();
const everyNode = (version: number): readonly string[] =>
  NODES.map(({ name }) => `${name} ${version} ready`).toSorted();

describe("on six edge and two cloud nodes under load", () => {
  it("a good version is promoted wave by wave, and no request fails", async () => {
    const { version } = await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.01)));
    const load = callers("scores", 40);
    const gate = { maxErrorRate: "5%", maxP95Ratio: 5, maxWaitSeconds: 60 };
    await deploy("scores", version, { ...CANARY, bakeSeconds: 2, gate });
    const ended = await when("scores", version, hasEnded);
    await cluster.whenDeploymentReady("scores", PATIENCE_MS);
    const samples = await load.stop();
    print(`scores:${version} ${ended.phase}: ${samples.length} requests, ${unanswered(samples).failed.length} failed`);
    expect(ended).toEqual(expect.objectContaining({ phase: "promoted", wave: 3 }));
    expect(unanswered(samples).failed).toEqual([]);
    expect(await serving("scores")).toEqual(everyNode(version));
  }, 600_000);

  it("a version that fails on one of twenty requests returns in its first wave", async () => {
    const { version } = await cluster.publish("scores", scoresModel(scoreTable({ rows: ROWS - 1 })));
    const { ended, screen } = await returns("scores", {
      version,
      perSecond: 60,
      rollout: { ...CANARY, bakeSeconds: 120, gate: { maxWaitSeconds: 200 } },
    });
    expect(ended.findings).toContainEqual(expect.objectContaining({ check: "errors", result: "fail" }));
    expect(screen).toMatch(/Gate .*\n.* of the new version failed \(/);
  }, 600_000);

  it("a version that decides otherwise returns before any caller sees it", async () => {
    const { version } = await cluster.publish("scores", scoresModel(scoreTable({ isTurned: true })));
    const { ended, asked, samples } = await returns("scores", {
      version,
      perSecond: 30,
      // The first copies of a new version may be slow on a busy machine, which would return it before enough were compared.
      rollout: { strategy: "shadow", bakeSeconds: 60, gate: { maxP95Ratio: 10 } },
    });
    expect(ended.findings).toContainEqual(expect.objectContaining({ check: "agreement", result: "fail" }));
    expect(asked).toBe(0);
    expect(unanswered(samples).failed).toEqual([]);
  }, 600_000);

  it("a version whose model host dies while it bakes returns in its first wave", async () => {
    const { version } = await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.02)));
    const before = new Map<string, readonly number[]>();
    for (const [name, { process: node }] of cluster.nodes) before.set(name, await modelHostsOf(node.child.pid ?? 0));
    const meanwhile = async (): Promise<void> => {
      const baking = await when("scores", version, ({ phase }) => phase === "baking");
      const first = baking.nodes.find(({ state }) => state === "switched")?.node ?? "";
      const hosts = await modelHostsOf(cluster.nodes.get(first)?.process.child.pid ?? 0);
      const fresh = hosts.find((pid) => before.get(first)?.includes(pid) !== true);
      if (fresh === undefined) throw new Error(`${first} has no host of scores:${version}`);
      process.kill(fresh, "SIGKILL");
    };
    const { ended } = await returns("scores", {
      version,
      perSecond: 20,
      meanwhile,
      rollout: { ...CANARY, bakeSeconds: 120 },
    });
    expect(ended.reason).toMatch(/was ready on .* and is |model hosts of the new version crashed once/);
  }, 600_000);

  it("a version that does not load on two nodes returns in its first wave", async () => {
    const { version } = await cluster.publish("scores", unknownOperatorModel());
    const where = { matchExpressions: [{ key: "name", operator: "In", values: ["edge-e", "edge-f"] }] };
    const { ended, samples } = await returns("scores", {
      version,
      perSecond: 20,
      rollout: { strategy: "rolling", waves: [{ where }], gate: { maxFailedNodes: 1 } },
    });
    expect(ended.reason).toMatch(/failed on edge-[ef]: LOAD_FAILED; .* failed on edge-[ef]: LOAD_FAILED/);
    expect(unanswered(samples).failed).toEqual([]);
  }, 600_000);

  it("a version that is three times as slow returns in its first wave", async () => {
    await cluster.publish("slow", scoresModel(scoreTable(), { layers: 300 }));
    await deploy("slow", 1, CANARY);
    await cluster.whenDeploymentReady("slow", PATIENCE_MS);
    const { version } = await cluster.publish("slow", scoresModel(scoreTable(), { layers: 900 }));
    const rollout = {
      ...CANARY,
      waves: [{ percent: 50 }],
      bakeSeconds: 120,
      gate: { maxP95Ratio: 1.5, maxWaitSeconds: 200 },
    };
    const { ended } = await returns("slow", { version, perSecond: 3, rollout });
    expect(ended.findings).toContainEqual(expect.objectContaining({ check: "p95-ratio", result: "fail" }));
    await cluster.request("DELETE", "/deployments/slow");
  }, 600_000);
});

describe("operators of six edge and two cloud nodes", () => {
  it("unplug half of them: the others get the new version, and these when they are back", async () => {
    const { version } = await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.03)));
    const { items } = await cluster.get<{ items: Node[] }>("/nodes");
    const ids = items.filter(({ name }) => UNPLUGGED.includes(name)).map(({ id }) => id);
    proxy.breakAny({ blackhole: "both" }, ids);
    for (const name of UNPLUGGED) await cluster.whenNode(name, "lost", PATIENCE_MS);
    const load = callers("scores", 20);
    await deploy("scores", version, { strategy: "blue-green", bakeSeconds: 0 });
    const ended = await when("scores", version, hasEnded);
    expect(ended.phase).toBe("promoted");
    const states = Object.fromEntries(ended.nodes.map(({ node, state }) => [node, state]));
    expect(states).toEqual(
      Object.fromEntries(NODES.map(({ name }) => [name, UNPLUGGED.includes(name) ? "waiting" : "switched"])),
    );
    proxy.heal();
    const healedAt = performance.now();
    await until(
      "all nodes have it",
      async () => (await serving("scores")).join() === everyNode(version).join(),
      PATIENCE_MS,
    );
    const { failed } = unanswered(await load.stop());
    print(`half the nodes had scores:${version} ${Math.round(performance.now() - healedAt)} ms after they were back`);
    expect(failed).toEqual([]);
  }, 600_000);

  it("undo a rollout while its bytes are on their way: no node loads it", async () => {
    const { version } = await cluster.publish("scores", largeModel(200, 7));
    const old = await stableVersion();
    await deploy("scores", version, { ...CANARY, bakeSeconds: 60 });
    await when("scores", version, ({ phase }) => phase === "staging");
    await cluster.post("/deployments/scores/rollout/undo", { why: "the wrong file" });
    const ended = await when("scores", version, hasEnded);
    expect(ended).toMatchObject({ phase: "rolled-back", wave: 1 });
    expect(ended.nodes.map(({ state }) => state)).not.toContain("switched");
    expect(ended.reason).toContain("undid the rollout: the wrong file");
    expect(await serving("scores")).toEqual(everyNode(old));
  }, 600_000);

  it("declare a newer version while one bakes: it takes its place, from the same old version", async () => {
    const old = await stableVersion();
    const load = callers("scores", 20);
    const first = await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.04)));
    const second = await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.05)));
    await deploy("scores", first.version, { ...CANARY, bakeSeconds: 3_600 });
    await when("scores", first.version, ({ phase }) => phase === "baking");
    await deploy("scores", second.version, { strategy: "blue-green", bakeSeconds: 0 });
    const ended = await when("scores", second.version, hasEnded);
    await cluster.whenDeploymentReady("scores", PATIENCE_MS);
    const { failed } = unanswered(await load.stop());
    expect(ended).toMatchObject({ phase: "promoted", from: old });
    const { items } = await cluster.get<{ items: Rollout[] }>("/deployments/scores/rollout/history");
    expect(items.slice(0, 2).map(({ to, phase }) => `${to} ${phase}`)).toEqual([
      `${second.version} promoted`,
      `${first.version} superseded`,
    ]);
    expect(failed).toEqual([]);
    expect(await serving("scores")).toEqual(everyNode(second.version));
  }, 600_000);

  it("roll out where nobody asks anything: the samples of the version are asked", async () => {
    const indexes = BigInt64Array.from({ length: ROWS }, (_, at) => BigInt(at));
    const { version } = await cluster.publishBundle("scores", {
      "model.onnx": scoresModel(scoreTable().map((value) => value + 0.06)),
      "samples.npz": npz({ index: npy("<i8", [ROWS], new Uint8Array(indexes.buffer)) }),
    });
    const gate = { minRequests: 40, useSamples: true, maxErrorRate: "10%", maxP95Ratio: 10, minAgreement: "90%" };
    await deploy("scores", version, { strategy: "shadow", bakeSeconds: 2, gate: { ...gate, maxWaitSeconds: 30 } });
    const ended = await when("scores", version, hasEnded);
    print(await screenOf("scores"));
    expect(ended).toEqual(expect.objectContaining({ phase: "promoted" }));
    expect(ended.findings[0]?.sentence).toMatch(/^the new version had \d+ requests \(\d+ of them its samples\)/);
  }, 600_000);
});
