import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { setInterval as ticks } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { MqttBroker, type Published } from "../../support/network/mqtt-broker.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { WebhookReceiver } from "../../support/network/webhook-receiver.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** `MINUTES=30 npm run test:faults -- requests/streams` goes on for so long; unless it is said, a few hundred items of each. */
const MINUTES = Number(process.env["MINUTES"] ?? 0);
/** Items a second of each stream in a run by minutes. Without: as fast as they are taken. */
const RATE = Number(process.env["RATE"] ?? 20);
const ITEMS = MINUTES === 0 ? 300 : MINUTES * 60 * RATE;
const [CUTS, KILLS] = [5, 2];
const BACKLOG = 2_000;
/** Until a killed node serves again, or all is delivered, on a machine that others use too. */
const PATIENCE_MS = 240_000;
const LIMIT_MS = MINUTES * 60_000 * 2 + 4 * PATIENCE_MS;

/** What the node shows of one stream, as far as it is compared. */
interface Counts {
  readonly name: string;
  readonly produced: number;
  readonly delivered: number;
  readonly deduplicated: number;
  readonly expired: number;
  readonly dropped: number;
  readonly waiting: number;
}

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;
let webhookLink: TcpProxy;
let brokerLink: TcpProxy;
let inbox: string;
let outbox: string;
let heard: readonly Published[];
const receiver = new WebhookReceiver();
const broker = new MqttBroker();

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await receiver.start();
  await broker.start();
  heard = await broker.listen("results/#");
  [webhookLink, brokerLink] = [await TcpProxy.start(), await TcpProxy.start()];
  webhookLink.pointAt(Number(new URL(receiver.url).port));
  brokerLink.pointAt(broker.port);
  [inbox, outbox] = [path.join(cluster.directory, "inbox"), path.join(cluster.directory, "outbox")];
  await mkdir(inbox);
  const file = path.join(cluster.directory, "streams.yaml");
  await writeFile(
    file,
    `sources:
  pushed: { http: {} }
  files: { directory: { path: ${inbox}, settleMs: 0, scanMs: 100 } }
  bus: { mqtt: { url: "mqtt://127.0.0.1:${brokerLink.port}", topics: [sensors/+], keepAliveSeconds: 5 } }
sinks:
  plant: { webhook: { url: "http://127.0.0.1:${webhookLink.port}/results", timeoutMs: 1000 } }
  spool: { folder: { path: ${outbox}, gatherMs: 100 } }
  bus: { mqtt: { url: "mqtt://127.0.0.1:${brokerLink.port}", topic: "results/{stream}", timeoutMs: 1000, keepAliveSeconds: 5 } }
`,
  );
  node = await cluster.addNode("edge-a", { env: { SKERRY_STREAMS_FILE: file } });
  await cluster.publish("same", identityModel("FP32", ["n", 2]));
  const streams = [
    { name: "press", source: "pushed", sink: "plant" },
    { name: "files", source: "files", sink: "spool" },
    { name: "sensors", source: "bus", sink: "bus" },
  ];
  await cluster.deploy({ name: "same", model: "same", version: 1, streams });
  await cluster.whenDeploymentReady("same");
  await until("the streams run", async () => (await counts()).length === 3, PATIENCE_MS);
  // Before the first subscription a broker keeps nothing for the node.
  await until(
    "the node is subscribed",
    () => [...broker.connected].some((id) => id.startsWith("skerry-")),
    PATIENCE_MS,
  );
  await until("they are read", async () => (await counts()).every(({ state }) => state === "running"), PATIENCE_MS);
}, 3 * PATIENCE_MS);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await webhookLink?.stop();
  await brokerLink?.stop();
  await receiver.stop();
  await broker.close();
});

async function counts(): Promise<readonly (Counts & { readonly state: string })[]> {
  const answer = await fetch(`${node.localUrl}/streams`).catch(() => undefined);
  type Body = { streams: readonly (Counts & { state: string })[] };
  return answer?.ok === true ? ((await answer.json()) as Body).streams : [];
}

const sumOf = ({ delivered, deduplicated, expired, dropped, waiting }: Counts): number =>
  delivered + deduplicated + expired + dropped + waiting;

/** One turn for each item, at the rate of the run. */
async function* turns(count: number): AsyncGenerator<number> {
  const pace = MINUTES === 0 ? undefined : ticks(1_000 / RATE)[Symbol.asyncIterator]();
  for (let n = 0; n < count; n += 1) {
    await pace?.next();
    yield n;
  }
  await pace?.return?.();
}

/** As an application does: until it is told that the item is held, it sends it again under its key. */
async function push(n: number): Promise<boolean> {
  const answer = await fetch(`${node.localUrl}/streams/same/press`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `item-${n}` },
    body: JSON.stringify([n, 1]),
  }).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 202;
}

async function write(n: number): Promise<void> {
  const name = `${String(n).padStart(8, "0")}.json`;
  await writeFile(path.join(inbox, `.${name}`), JSON.stringify([n, 2]));
  await rename(path.join(inbox, `.${name}`), path.join(inbox, name));
}

describe("streams whose links are cut five times, on a node that is killed twice", () => {
  it(
    "lose nothing, and account for everything that was read",
    async () => {
      const made = { press: 0, files: 0, sensors: 0 };
      const sensor = await broker.client();
      const pushAll = async (): Promise<void> => {
        for await (const n of turns(ITEMS)) {
          await until(`item ${n} is held`, () => push(n), PATIENCE_MS);
          made.press += 1;
        }
      };
      const writeAll = async (): Promise<void> => {
        for await (const n of turns(ITEMS)) {
          await write(n);
          made.files += 1;
        }
      };
      const senseAll = async (): Promise<void> => {
        for await (const n of turns(ITEMS)) {
          await sensor.publishAsync("sensors/left", JSON.stringify([n, 3]), { qos: 1 });
          made.sensors += 1;
        }
      };
      const whenPushed = (share: number): Promise<unknown> =>
        until(`${share} of the items are pushed`, () => made.press >= Math.floor(ITEMS * share), LIMIT_MS);
      const cut = async (): Promise<void> => {
        for (let i = 0; i < CUTS; i += 1) {
          await whenPushed((i + 0.5) / CUTS);
          for (const link of [webhookLink, brokerLink]) link.break({ blackhole: "both" });
          await whenPushed((i + 0.8) / CUTS);
          for (const link of [webhookLink, brokerLink]) {
            link.heal();
            link.cut();
          }
        }
      };
      const kill = async (): Promise<void> => {
        for (let i = 0; i < KILLS; i += 1) {
          await whenPushed((i + 1) / (KILLS + 1));
          await node.process.kill();
          node.restart();
        }
      };
      await Promise.all([pushAll(), writeAll(), senseAll(), cut(), kill()]);
      const overAt = performance.now();
      const { files, press, sensors } = await settled(made);
      const caughtUpMs = performance.now() - overAt;
      for (const each of [files, press, sensors]) {
        expect({ ...each, produced: sumOf(each) }).toEqual(each);
        expect([each.name, each.expired, each.dropped]).toEqual([each.name, 0, 0]);
      }
      // Each arrived, perhaps more than once: then under the same key.
      expect(receiver.keys).toHaveLength(made.press);
      expect(new Set(await spooled()).size).toBe(made.files);
      const positions = heard.map(({ body }) => (body as { position: number }).position);
      expect(new Set(positions).size).toBe(made.sensors);

      // What a node does that was away: everything is there at once.
      const backlogAt = performance.now();
      const all = Array.from({ length: BACKLOG }, (_, i) => ITEMS + i);
      for (const n of all) await write(n);
      await settled({ ...made, files: made.files + BACKLOG });
      const perSecond = Math.round(BACKLOG / ((performance.now() - backlogAt) / 1_000));
      if (MINUTES > 0) {
        const arrived = { webhook: receiver.received.length, broker: heard.length };
        const run = { minutes: MINUTES, rate: RATE, made, files, press, sensors, arrived, caughtUpMs, perSecond };
        process.stderr.write(`${JSON.stringify(run)}\n`);
      }
    },
    LIMIT_MS,
  );
});

/** The counts when all that was made is delivered and nothing waits. */
async function settled(made: { readonly press: number; readonly files: number; readonly sensors: number }) {
  let last: readonly Counts[] = [];
  try {
    return await until(
      "all is delivered",
      async () => {
        last = await counts();
        const [files, press, sensors] = last;
        if (files === undefined || press === undefined || sensors === undefined) return false;
        const isDone = files.delivered === made.files && press.delivered === made.press;
        const isAll = isDone && sensors.delivered >= made.sensors && last.every(({ waiting }) => waiting === 0);
        return isAll && { files, press, sensors };
      },
      PATIENCE_MS,
    );
  } catch (error) {
    throw new Error(`made ${JSON.stringify(made)}, and the node shows ${JSON.stringify(last)}`, { cause: error });
  }
}

/** Positions of the results in the folder. */
async function spooled(): Promise<readonly number[]> {
  const names = (await readdir(outbox)).filter((name) => name.endsWith(".ndjson"));
  const found: number[] = [];
  for (const name of names)
    for (const line of (await readFile(path.join(outbox, name), "utf8")).trim().split("\n"))
      found.push((JSON.parse(line) as { position: number }).position);
  return found;
}
