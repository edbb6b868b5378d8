import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** Sums of the last 1,000 rows of a stream, so that every answer says what was kept of all before it. */
const PIPELINE = `pipeline: 1
inputs: [{ name: rows }]
steps:
  - decode-csv: { columns: { x: number }, maxRows: 10 }
  - stream-aggregate: { rows: 1000, partial: true, columns: { sum: { of: x, how: sum }, count: { how: count } } }
  - columns: { names: [sum, count] }
  - model: { file: same.onnx }
`;
let database: TestDatabase;
let cluster: SkerryCluster;
const nodes: ClusterNode[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  for (const name of ["edge-a", "edge-b"]) nodes.push(await cluster.addNode(name));
  await cluster.publishBundle(
    "sums",
    { "pipeline.yaml": Buffer.from(PIPELINE), "same.onnx": identityModel("FP32", ["n", 2]) },
    { runtime: "pipeline", main: "pipeline.yaml" },
  );
  await cluster.deploy({ name: "sums", model: "sums", version: 1, placement: { edge: { min: 2 } } });
  await until("both nodes serve", async () => (await ready()).length === 2, 60_000);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const ready = async (): Promise<readonly string[]> =>
  (await cluster.placements("sums")).filter(({ state }) => state === "ready").map(({ node }) => node);

interface Answer {
  readonly status: number;
  readonly sum: number | undefined;
  readonly count: number | undefined;
  readonly node: string;
}

async function add(stream: string, x: number, base = cluster.url): Promise<Answer> {
  const body = { inputs: [{ name: "rows", shape: [1], datatype: "BYTES", data: [`x\n${x}\n`] }] };
  const answer = await cluster.infer("sums", body, { base, headers: { "skerry-stream": stream } });
  const { outputs } = (await answer.json()) as { outputs?: readonly { readonly data: readonly number[] }[] };
  const [sum, count] = outputs?.[0]?.data ?? [];
  return { status: answer.status, sum, count, node: answer.headers.get("skerry-node") ?? "" };
}

describe("streams over real processes", () => {
  it("stay at one node each, and do not mix", async () => {
    const homes = new Set<string>();
    for (let stream = 0; stream < 8; stream += 1) {
      const answers = [];
      for (let x = 1; x <= 4; x += 1) answers.push(await add(`apart-${stream}`, x));
      expect(answers.map(({ sum, count }) => [sum, count])).toEqual([
        [1, 1],
        [3, 2],
        [6, 3],
        [10, 4],
      ]);
      expect(new Set(answers.map(({ node }) => node)).size).toBe(1);
      homes.add(answers[0]?.node ?? "");
    }
    expect(homes).toEqual(new Set(["edge-a", "edge-b"]));
  }, 120_000);

  it("lose nothing by requests that come at once: they go one after another", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => add("at-once", 1)));
    expect(answers.map(({ sum }) => sum).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      Array.from({ length: 40 }, (_, at) => at + 1),
    );
  }, 120_000);

  it("lose nothing with a model host that is killed", async () => {
    const before = await add("host", 5);
    const home = nodes.find(({ name }) => name === before.node);
    for (const pid of await modelHostsOf(home?.process.child.pid ?? 0)) process.kill(pid, "SIGKILL");
    const after = await until(
      "the model serves again",
      async () => {
        const answer = await add("host", 7);
        return answer.status === 200 && answer;
      },
      60_000,
    );
    expect([after.sum, after.count]).toEqual([12, 2]);
    await until("both nodes serve", async () => (await ready()).length === 2, 60_000);
  }, 180_000);

  it("lose with an agent that is killed what came after the last write, and no more", async () => {
    const names = Array.from({ length: 8 }, (_, at) => `kill-${at}`);
    const homes = new Map<string, string>();
    for (const name of names) homes.set(name, (await add(name, 100)).node);
    const [victim] = nodes;
    if (victim === undefined) throw new Error("there is no node");
    const own = names.filter((name) => homes.get(name) === victim.name);
    expect(own.length).toBeGreaterThan(0);
    const file = path.join(victim.stateDir, "stream-states.bin");
    await until("what is kept is on the disk", async () => {
      const written = await readFile(file, "latin1").catch(() => "");
      return own.every((name) => written.includes(name));
    });
    await victim.process.kill();
    victim.restart();
    await cluster.whenNode(victim.name, "ready", 60_000);
    await until("both nodes serve", async () => (await ready()).length === 2, 60_000);
    for (const name of names) {
      const { sum, count } = await until("the stream is answered", async () => {
        const answer = await add(name, 1);
        return answer.status === 200 && answer;
      });
      expect([name, sum, count]).toEqual([name, 101, 2]);
    }
  }, 180_000);

  it("go on at another node when theirs is drained, those that are asked meanwhile and those that rest", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `drain-${at}`);
    const sums = new Map<string, number>();
    const ask = async (name: string): Promise<Answer> => {
      const answer = await add(name, 1);
      expect(answer.status).toBe(200);
      sums.set(name, (sums.get(name) ?? 0) + 1);
      expect([name, answer.sum]).toEqual([name, sums.get(name)]);
      return answer;
    };
    const homes = new Map<string, string>();
    for (let round = 0; round < 3; round += 1) for (const name of names) homes.set(name, (await ask(name)).node);
    expect(new Set(homes.values())).toEqual(new Set(["edge-a", "edge-b"]));
    // A third one, so that the drained one's replica has a place.
    nodes.push(await cluster.addNode("edge-c"));
    await cluster.request("POST", "/nodes/edge-a/drain", {});
    const [busy] = names.filter((name) => homes.get(name) === "edge-a");
    if (busy === undefined) throw new Error("edge-a has no stream");
    await until(
      "edge-a serves no more",
      async () => {
        await ask(busy);
        return !(await cluster.placements("sums")).some(({ node }) => node === "edge-a");
      },
      60_000,
    );
    for (const name of names) expect((await ask(name)).node).not.toBe("edge-a");
    const events = await cluster.events();
    expect(events.filter(({ reason }) => reason === "StreamsHandedOver").map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^sums:1 ends on edge-a; streams went over: \d+ to edge-[bc]/),
    );
    expect(events.map(({ reason }) => reason)).not.toContain("StreamsNotHandedOver");
  }, 180_000);

  it("begin anew, with an event that says so, when nobody can take them over", async () => {
    await add("last", 3);
    await cluster.request("DELETE", "/deployments/sums");
    const event = await until("the event is there", async () =>
      (await cluster.events()).find(({ reason }) => reason === "StreamsNotHandedOver"),
    );
    expect(event.message).toMatch(/^sums:1 ends on edge-[bc]; its streams begin anew: /);
  }, 120_000);
});
