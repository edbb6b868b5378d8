import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx-models.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { WebhookReceiver } from "../../support/network/webhook-receiver.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** `MINUTES=30 npm run test:faults -- requests/streams` goes on for so long; unless it is said, a few seconds. */
const MINUTES = Number(process.env["MINUTES"] ?? 0);
const FOR_MS = MINUTES === 0 ? 5_000 : MINUTES * 60_000;
const [CUTS, KILLS] = [5, 2];

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
let link: TcpProxy;
let inbox: string;
let outbox: string;
const receiver = new WebhookReceiver();

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await receiver.start();
  link = await TcpProxy.start();
  link.pointAt(Number(new URL(receiver.url).port));
  [inbox, outbox] = [path.join(cluster.directory, "inbox"), path.join(cluster.directory, "outbox")];
  await mkdir(inbox);
  const file = path.join(cluster.directory, "streams.yaml");
  await writeFile(
    file,
    `sources:
  pushed: { http: {} }
  files: { directory: { path: ${inbox}, settleMs: 0, scanMs: 100 } }
sinks:
  plant: { webhook: { url: "http://127.0.0.1:${link.port}/results", timeoutMs: 1000 } }
  spool: { folder: { path: ${outbox} } }
`,
  );
  node = await cluster.addNode("edge-a", { env: { SKERRY_STREAMS_FILE: file } });
  await cluster.publish("same", identityModel("FP32", ["n", 2]));
  const streams = [
    { name: "press", source: "pushed", sink: "plant" },
    { name: "files", source: "files", sink: "spool" },
  ];
  await cluster.deploy({ name: "same", model: "same", version: 1, streams });
  await cluster.whenDeploymentReady("same");
  await until("both streams run", async () => (await counts()).length === 2);
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await link?.stop();
  await receiver.stop();
});

async function counts(): Promise<readonly Counts[]> {
  const answer = await fetch(`${node.localUrl}/streams`).catch(() => undefined);
  return answer?.ok === true ? ((await answer.json()) as { streams: readonly Counts[] }).streams : [];
}

const sumOf = ({ delivered, deduplicated, expired, dropped, waiting }: Counts): number =>
  delivered + deduplicated + expired + dropped + waiting;

describe("streams whose link is cut five times, on a node that is killed twice", () => {
  it(
    "lose nothing, and account for everything that was read",
    async () => {
      const endsAt = performance.now() + FOR_MS;
      const isOver = (): boolean => performance.now() > endsAt;
      let pushed = 0;
      let written = 0;
      /** As an application does: until it is told that the item is held, it sends it again under its key. */
      const push = async (): Promise<void> => {
        while (!isOver()) {
          const answer = await fetch(`${node.localUrl}/streams/same/press`, {
            method: "POST",
            headers: { "content-type": "application/json", "idempotency-key": `item-${pushed}` },
            body: JSON.stringify([pushed, 1]),
          }).catch(() => undefined);
          await answer?.body?.cancel();
          if (answer?.status === 202) pushed += 1;
          else await sleep(20);
          await sleep(5);
        }
      };
      const write = async (): Promise<void> => {
        while (!isOver()) {
          const name = `${String(written).padStart(8, "0")}.json`;
          await writeFile(path.join(inbox, `.${name}`), JSON.stringify([written, 2]));
          await rename(path.join(inbox, `.${name}`), path.join(inbox, name));
          written += 1;
          await sleep(20);
        }
      };
      const cut = async (): Promise<void> => {
        for (let i = 0; i < CUTS; i += 1) {
          await sleep(FOR_MS / CUTS / 2);
          link.break({ blackhole: "both" });
          await sleep(FOR_MS / CUTS / 2);
          link.heal();
          link.cut();
        }
      };
      const kill = async (): Promise<void> => {
        for (let i = 0; i < KILLS; i += 1) {
          await sleep(FOR_MS / (KILLS + 1));
          await node.process.kill();
          node.restart();
        }
      };
      await Promise.all([push(), write(), cut(), kill()]);

      const settled = await until(
        "nothing waits",
        async () => {
          const [files, press] = await counts();
          const isDone = files?.waiting === 0 && press?.waiting === 0 && files.delivered === written;
          return isDone && press.delivered === pushed && { files, press };
        },
        60_000,
      );
      const { files, press } = settled;
      expect({ ...press, produced: sumOf(press) }).toEqual(press);
      expect({ ...files, produced: sumOf(files) }).toEqual(files);
      expect([press.expired, press.dropped, files.expired, files.dropped]).toEqual([0, 0, 0, 0]);
      // Each arrived, perhaps more than once: then under the same key.
      expect(receiver.keys).toHaveLength(pushed);
      const names = await readdir(outbox);
      const lines = await Promise.all(
        names.filter((name) => name.endsWith(".ndjson")).map((name) => readFile(path.join(outbox, name), "utf8")),
      );
      const positions = lines.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line).position);
      expect(new Set(positions).size).toBe(written);
      if (MINUTES > 0)
        process.stderr.write(
          `${JSON.stringify({ minutes: MINUTES, pushed, written, press, files, arrived: receiver.received.length })}\n`,
        );
    },
    FOR_MS + 120_000,
  );
});
