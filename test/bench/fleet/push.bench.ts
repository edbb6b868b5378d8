import { largeModel } from "../../support/models/onnx/large-model.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/**
 * What a push at full speed does to the node that receives it: how soon its heartbeats are answered, against the same
 * node at rest in the same run. Real processes on loopback, a heartbeat each 50 ms. Goal: ≤ 100 ms at p99 during the push.
 */
const MIB = 1_200;
const HEARTBEAT_MS = 50;
const AT_REST = 200;
const GOAL_S = 0.1;

/** Upper bound of a bucket, in seconds, and how many observations lay at or below it. */
type Buckets = readonly (readonly [number, number])[];

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url, { SKERRY_HEARTBEAT_MS: String(HEARTBEAT_MS) });
try {
  const node = await cluster.addNode("edge-a");
  const heartbeats = async (): Promise<Buckets> => {
    const text = await (await fetch(`${node.localUrl}/metrics`)).text();
    const rows = text.matchAll(/^skerry_node_heartbeat_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
    return [...rows].map(([, le, count]) => [le === "+Inf" ? Infinity : Number(le), Number(count)]);
  };
  const total = (buckets: Buckets): number => buckets.at(-1)?.[1] ?? 0;
  const since = (before: Buckets, now: Buckets): Buckets =>
    now.map(([le, count], i) => [le, count - (before[i]?.[1] ?? 0)]);
  const report = (what: string, buckets: Buckets): void => {
    const bound = (part: number): string =>
      `≤ ${(buckets.find(([, count]) => count >= part * total(buckets))?.[0] ?? Infinity) * 1_000} ms`;
    console.log(
      `${what.padEnd(24)} ${total(buckets)} heartbeats, p50 ${bound(0.5)}, p99 ${bound(0.99)}, all ${bound(1)}`,
    );
  };

  const first = await heartbeats();
  const rest = await until(`${AT_REST} heartbeats`, async () => {
    const now = since(first, await heartbeats());
    return total(now) >= AT_REST && now;
  });
  report("at rest", rest);

  await cluster.publish("table", largeModel(MIB, 1));
  const before = await heartbeats();
  await cluster.deploy({ name: "table", model: "table", version: 1, limits: { memMiB: 6_144 } });
  let during = before;
  const isReady = async (): Promise<boolean> => {
    const [placement] = await cluster.placements("table");
    if (placement?.state === "offered" || placement?.state === "downloading") during = await heartbeats();
    return placement?.state === "ready";
  };
  await until("the model serves", isReady, 120_000);
  report("while receiving a model", since(before, during));
  const pushed = (await cluster.events()).find(({ reason }) => reason === "ModelPushed");
  const [, bytes = "0", seconds = "1"] = /: (\d+) bytes sent, .*, ([\d.]+) s/.exec(pushed?.message ?? "") ?? [];
  console.log(
    `pushed ${MIB} MiB at ${(Number(bytes) / 1_048_576 / Number(seconds)).toFixed(0)} MiB/s, SHA-256 and fsync included`,
  );
  const late = since(before, during);
  const inTime = late.find(([le]) => le === GOAL_S)?.[1] ?? 0;
  console.log(
    `${inTime} of ${total(late)} answered within 100 ms: goal ${inTime >= 0.99 * total(late) ? "met" : "MISSED"}`,
  );
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();
