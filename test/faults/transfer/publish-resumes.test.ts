import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { floatsOf, largeBundle, tableOf } from "../../support/models/onnx/large-model.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";

const MIB = 1_048_576;
const SIZE_MIB = 300;
/** What a cut costs beside the missing bytes: the piece of 8 MiB that was under way, and requests. */
const SLACK_MIB = 16;

let database: TestDatabase;
let cluster: SkerryCluster;
let proxy: TcpProxy;
let folder: string;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  proxy = await TcpProxy.start();
  proxy.pointAt(cluster.port);
  folder = path.join(cluster.directory, "export");
  await mkdir(path.join(folder, "more"), { recursive: true });
  for (const [name, bytes] of Object.entries(largeBundle(SIZE_MIB, 5))) await writeFile(path.join(folder, name), bytes);
}, 180_000);

afterAll(async () => {
  await proxy?.stop();
  await cluster?.stop();
  await database?.stop();
});

/** `skerry models push` of the graph with its external data, as a process of its own. */
const push = (): SkerryProcess =>
  new SkerryProcess("cli/main.ts", {
    args: ["models", "push", path.join(folder, "net.onnx"), "--model", "net", "--wait"],
    env: { SKERRY_SERVER: `http://127.0.0.1:${proxy.port}`, SKERRY_API_KEY: cluster.adminKey },
    log: path.join(cluster.directory, "push.log"),
  });

/** Bytes of unfinished uploads on the control plane's disk. */
async function arrivedBytes(): Promise<number> {
  const uploads = path.join(cluster.directory, "control-plane", "uploads");
  const names = await readdir(uploads).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(uploads, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

const whenArrived = (mib: number): Promise<true> =>
  until(`${mib} MiB have arrived`, async () => (await arrivedBytes()) > mib * MIB, 60_000);

describe("proc-kill: a push of a graph with 300 MiB of external data", () => {
  it("goes on where it stood when the command line and then the control plane are killed", async () => {
    const first = push();
    await whenArrived(80);
    await first.kill();
    const sentBefore = proxy.counters.bytesUp;

    const second = push();
    await whenArrived(200);
    await cluster.controlPlane.kill();
    const third = await arrivedBytes();
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    expect(await second.exited).toBe(0);
    expect(second.output).toMatch(/net:1 was begun before: \d+(\.\d+)? MiB of 300 MiB are there, the rest is sent\./);
    expect(second.output).toContain("the upload stopped at");
    expect(third).toBeGreaterThan(200 * MIB);
    expect(proxy.counters.bytesUp - sentBefore).toBeLessThan((SIZE_MIB - 80 + 2 * SLACK_MIB) * MIB);
    expect(proxy.counters.bytesUp).toBeLessThan((SIZE_MIB + 3 * SLACK_MIB) * MIB);
    expect((await cluster.get<{ items: unknown[] }>("/models/net/versions")).items).toHaveLength(1);
  }, 180_000);

  it("sends nothing when it is repeated", async () => {
    const before = proxy.counters.bytesUp;
    const again = push();
    expect(await again.exited).toBe(0);
    expect(again.output).toContain("net:1 has the same bytes already: nothing was sent.");
    expect(proxy.counters.bytesUp - before).toBeLessThan(MIB);
  }, 120_000);

  it("reaches a node though the control plane is killed during the transfer, and serves every part of it", async () => {
    const node = await cluster.addNode("edge-a");
    await cluster.deploy({ name: "net", model: "net", version: 1, limits: { memMiB: 2_048 } });
    await until(
      "some of it has arrived on the node",
      async () => {
        const entries = await readdir(node.stateDir, { recursive: true, withFileTypes: true }).catch(() => []);
        const sizes = await Promise.all(
          entries
            .filter((entry) => entry.isFile() && entry.parentPath.includes(`${path.sep}staging${path.sep}`))
            .map((entry) =>
              stat(path.join(entry.parentPath, entry.name)).then(
                ({ blocks }) => blocks * 512,
                () => 0,
              ),
            ),
        );
        return sizes.reduce((sum, size) => sum + size, 0) > 30 * MIB;
      },
      60_000,
    );
    await cluster.controlPlane.kill();
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await cluster.whenDeploymentReady("net", 90_000);
    const length = (SIZE_MIB / 2) * 262_144;
    const [one, two] = [tableOf(length, 5), tableOf(length, 6)];
    for (const at of [0, 12_345_678, length - 1]) {
      const inputs = [{ name: "index", datatype: "INT64", shape: [1], data: [at] }];
      const answer = await cluster.infer("net", { inputs });
      expect(await floatsOf(answer)).toEqual([one[at], two[at]]);
    }
  }, 180_000);
});
