import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { digitRequests } from "../../support/models/digit-request.ts";
import { deployAfresh, runFault, type FaultReport } from "../../support/processes/faults/fault-run.ts";
import { FAULTS, type NodeFault } from "../../support/processes/faults/node-faults.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { unanswered, type LoadSample } from "../../support/processes/steady-load.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";

const SUSPECT_MS = 3_000;
/** Longer than the control plane needs to suspect a silent node: what is inside it then has time left for another. */
const DEADLINE_MS = 6_000;
/** I7: a request ends by its deadline + 500 ms. The rest is for a test process that is itself late. */
const OVERTIME_MS = 500 + 500;
/** Of all requests. What a busy machine may refuse; a fault that cost more would show. */
const REFUSED_AT_MOST = 0.02;

let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  proxy = await TcpProxy.start();
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_NODE_URLS: `ws://127.0.0.1:${proxy.port}`,
    SKERRY_SUSPECT_MS: String(SUSPECT_MS),
  });
  proxy.pointAt(cluster.port);
  await Promise.all(["edge-a", "edge-b", "edge-c"].map((name) => cluster.addNode(name)));
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
});

async function report(fault: NodeFault): Promise<FaultReport & { readonly failed: readonly LoadSample[] }> {
  await deployAfresh(cluster, fault.id);
  const [sample] = digitRequests();
  if (!sample) throw new Error("there are no samples");
  const send = (): Promise<Response> =>
    cluster.infer("digits", sample.body, { headers: { "skerry-timeout-ms": String(DEADLINE_MS) } });
  const course = { perSecond: 100, beforeS: 1.5, duringS: 6.5, afterS: 0.5, send };
  const found = await runFault(fault, { cluster, proxy }, course);
  // Else the fault met a node that nobody used.
  expect(found.shareBefore).toBeGreaterThan(0.2);
  const { failed, refused } = unanswered(found.all);
  expect(refused.length).toBeLessThan(REFUSED_AT_MOST * found.all.length);
  return { ...found, failed };
}

/** What a caller may see of a request that was inside the bad node: an error of the catalog, within his deadline. */
function expectTypedAndInTime(failed: readonly LoadSample[], codes: readonly string[]): void {
  for (const sample of failed) {
    expect(codes).toContain(sample.code);
    expect(sample.ms).toBeLessThan(DEADLINE_MS + OVERTIME_MS);
  }
}

const isOf = (victim: string, { node, attempt }: LoadSample): boolean => node === victim || attempt > 1;

describe("one of three nodes goes bad under 100 requests a second", () => {
  it("proc-agent-kill: a killed node costs no request, and is ready again after its restart", async () => {
    const { failed, shareAfter5s } = await report(FAULTS.killed);
    expect(failed).toEqual([]);
    expect(shareAfter5s).toBe(0);
  }, 120_000);

  it("proc-agent-freeze: a stopped node costs no request that has time left when it is suspected", async () => {
    const { failed, shareAfter5s, victim } = await report(FAULTS.stopped);
    expectTypedAndInTime(failed, ["NODE_LOST"]);
    expect(failed.filter((sample) => !isOf(victim, sample))).toEqual([]);
    expect(failed.length).toBeLessThan(20);
    expect(shareAfter5s).toBe(0);
  }, 120_000);

  it("proc-host-slow: a node that is ten times slower costs no request and is avoided", async () => {
    const { failed, shareAfter5s } = await report(FAULTS.slowed);
    expect(failed).toEqual([]);
    expect(shareAfter5s).toBeLessThan(0.05);
  }, 120_000);

  it("proc-host-crash: a node whose model host dies with requests inside costs none of them", async () => {
    const { failed } = await report(FAULTS.erring);
    expect(failed).toEqual([]);
  }, 120_000);

  it("net-half-open: a silent link costs no request that has time left when the node is suspected", async () => {
    const { failed, shareAfter5s, victim } = await report(FAULTS.halfOpen);
    expectTypedAndInTime(failed, ["NODE_LOST"]);
    expect(failed.filter((sample) => !isOf(victim, sample))).toEqual([]);
    expect(failed.length).toBeLessThan(20);
    expect(shareAfter5s).toBe(0);
  }, 120_000);

  it("net-one-way: a node that hears nothing is suspected though it is heard", async () => {
    const { failed, shareAfter5s, victim } = await report(FAULTS.oneWay);
    expectTypedAndInTime(failed, ["NODE_LOST", "DEADLINE_EXCEEDED"]);
    expect(failed.filter((sample) => !isOf(victim, sample))).toEqual([]);
    expect(failed.length).toBeLessThan(20);
    expect(shareAfter5s).toBe(0);
  }, 120_000);

  it("net-half-open: a silent inference channel repels requests by those that wait in it", async () => {
    const { failed, shareAfter5s, victim } = await report(FAULTS.deafInference);
    expectTypedAndInTime(failed, ["NODE_LOST", "DEADLINE_EXCEEDED"]);
    expect(failed.filter((sample) => !isOf(victim, sample))).toEqual([]);
    expect(failed.length).toBeLessThan(20);
    expect(shareAfter5s).toBeLessThan(0.05);
  }, 120_000);
});
