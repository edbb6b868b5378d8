import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { runCli } from "../../unit/cli/support/run-cli.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("skerry top while the control plane is killed and started again", () => {
  it("keeps its table and says so, then follows the one that was started, with what joined since", async () => {
    const signals = new EventEmitter();
    let newest = "";
    const ended = runCli(["top", "--no-color"], {
      env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey },
      signals,
      terminal: { columns: 160, rows: 40 },
      onOutput: (text) => (newest = text.split("\u001b[J").at(-1) ?? ""),
    });
    const shows = (what: string, ...texts: readonly RegExp[]): Promise<true> =>
      until(what, async () => texts.every((text) => text.test(newest)));
    await shows("the table", /^live;/m, /^digits +1\/1 /m, /^edge-a +ready +\d+ % /m);

    await cluster.controlPlane.kill();
    await shows("that the link is away", /^no link to \S+ for \d+s: /m, /^digits +1\/1 /m, /^edge-a +ready +\d+ % /m);
    await shows("how old the table is", /^no link to \S+ for [1-9]\d*s: /m);

    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await cluster.addNode("edge-b");
    await shows("the fleet again", /^live;/m, /^edge-a +ready /m, /^edge-b +ready /m);
    signals.emit("SIGINT");
    expect(await ended).toMatchObject({ exitCode: 130, stderr: "" });
  }, 180_000);
});
