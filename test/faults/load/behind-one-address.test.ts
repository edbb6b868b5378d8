import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { digitRequests } from "../../support/models/digit-request.ts";
import { PathProxy } from "../../support/network/path-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../support/processes/steady-load.ts";

const PER_SECOND = 30;

let database: TestDatabase;
let cluster: SkerryCluster;
let service: PathProxy;
const others: SkerryProcess[] = [];
const endings: (() => unknown)[] = [];

beforeEach(async () => {
  database = await startTestDatabase();
  service = await PathProxy.start();
}, 120_000);

afterEach(async () => {
  await Promise.all(endings.splice(0).map((end) => end()));
  await cluster?.stop();
  await Promise.all(others.splice(0).map((other) => other.stop()));
  await service?.stop();
  await database?.stop();
});

const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

describe("two control planes behind one address, as a Service of Kubernetes has them", () => {
  it("are replaced one after the other without a failed request", async () => {
    const ports = [await freePort(), await freePort()];
    /** Those that the Service sends connections to, in turn. */
    let endpoints = ports;
    let connections = 0;
    service.portOf = () => endpoints[(connections += 1) % endpoints.length] ?? 0;
    const url = `http://127.0.0.1:${service.port}`;
    cluster = await SkerryCluster.start(database.url, {
      SKERRY_PORT: String(ports[0]),
      SKERRY_NODE_URLS: `ws://127.0.0.1:${service.port}`,
    });
    let other = cluster.addControlPlane(ports[1] ?? 0);
    others.push(other);
    await until("the other one is ready", () => isReady(ports[1] ?? 0));
    for (const name of ["edge-a", "edge-b", "edge-c"]) await cluster.addNode(name);
    await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
    await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 3 } } });
    await cluster.whenDeploymentReady("digits");
    const [request] = digitRequests();
    if (!request) throw new Error("there is no request");
    const load = steadyLoad(PER_SECOND, () => cluster.infer("digits", request.body, { base: url }));
    endings.push(() => load.stop());
    await until("the load is served", () => load.ended.length > PER_SECOND);
    for (const port of ports) {
      const process = port === ports[0] ? cluster.controlPlane : other;
      endpoints = ports.filter((each) => each !== port);
      process.signal("SIGTERM");
      expect(await process.exited).toBe(0);
      if (port === ports[0]) cluster.restartControlPlane();
      else others.push((other = cluster.addControlPlane(port)));
      await until("it is ready again", () => isReady(port), 60_000);
      endpoints = ports;
    }
    const goal = load.sent() + PER_SECOND;
    await until("the load goes on", () => load.sent() >= goal);
    const samples = await load.stop();
    expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
  }, 180_000);
});
