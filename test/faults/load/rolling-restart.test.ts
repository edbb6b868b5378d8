import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { steadyLoad, type LoadSample } from "../../support/processes/steady-load.ts";

const PER_SECOND = 30;
/** How often the caller, as a load balancer does, asks who is ready, in ms. */
const PROBE_MS = 100;

let database: TestDatabase;
let cluster: SkerryCluster;
const others: SkerryProcess[] = [];
/** What a test has begun, to end also when it fails. */
const endings: (() => unknown)[] = [];

beforeEach(async () => {
  database = await startTestDatabase();
}, 120_000);

afterEach(async () => {
  await Promise.all(endings.splice(0).map((end) => end()));
  await cluster?.stop();
  await Promise.all(others.splice(0).map((other) => other.stop()));
  await database?.stop();
});

async function deployDigits(): Promise<object> {
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
  const [request] = digitRequests();
  if (!request) throw new Error("there is no request");
  return request.body;
}

const failed = (samples: readonly LoadSample[]): readonly LoadSample[] =>
  samples.filter(({ status }) => status !== 200);

/** A caller that sends where `/readyz` last said yes, and stays there while it does. Looks anew every 100 ms. */
class ReadyCaller {
  readonly #urls: readonly string[];
  readonly #timer: NodeJS.Timeout;
  #ready: readonly string[] = [];
  #current = "";

  constructor(urls: readonly string[]) {
    this.#urls = urls;
    this.#timer = setInterval(() => void this.#probe(), PROBE_MS);
  }

  /** Where the next request goes. */
  get target(): string {
    if (!this.#ready.includes(this.#current)) this.#current = this.#ready[0] ?? this.#current;
    return this.#current;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #probe(): Promise<void> {
    const isReady = await Promise.all(
      this.#urls.map((url) =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    this.#ready = this.#urls.filter((_, index) => isReady[index]);
  }
}

/** Whether it has started: it answers `/livez` earlier. */
const hasStarted = async (url: string): Promise<boolean> =>
  fetch(`${url}/readyz?for=admin`).then(
    ({ ok }) => ok,
    () => false,
  );

const isUp = async (url: string): Promise<boolean> =>
  fetch(`${url}/livez`).then(
    ({ ok }) => ok,
    () => false,
  );

describe("proc-term: a control plane is stopped and started under 30 requests a second", () => {
  it("costs no request that is sent once it takes connections again, when it is the only one", async () => {
    cluster = await SkerryCluster.start(database.url);
    await cluster.addNode("edge-a");
    const body = await deployDigits();
    const load = steadyLoad(PER_SECOND, () => cluster.infer("digits", body));
    endings.push(() => load.stop());
    await until("the load is served", () => load.ended.filter(({ status }) => status === 200).length > PER_SECOND);
    cluster.controlPlane.signal("SIGTERM");
    expect(await cluster.controlPlane.exited).toBe(0);
    cluster.restartControlPlane();
    await until("the control plane takes connections", () => isUp(cluster.url));
    const acceptingAt = performance.now();
    await cluster.whenControlPlaneReady();
    const goal = load.sent() + PER_SECOND;
    await until("the load goes on", () => load.sent() >= goal);
    const samples = await load.stop();
    // How long a process takes to begin is the machine's. From then on requests wait: for the rest of the start, and for nodes.
    expect(failed(samples).filter(({ sentAt }) => sentAt >= acceptingAt)).toEqual([]);
  }, 180_000);

  it("costs nothing when there is another, each in its turn, with a single node", async () => {
    const [port, otherPort] = [await freePort(), await freePort()];
    const [first, second] = [`ws://127.0.0.1:${port}`, `ws://127.0.0.1:${otherPort}`];
    const otherUrl = `http://127.0.0.1:${otherPort}`;
    cluster = await SkerryCluster.start(database.url, {
      SKERRY_PORT: String(port),
      SKERRY_NODE_URLS: `${first},${second}`,
    });
    const startOther = (): SkerryProcess => {
      const other = cluster.addControlPlane(otherPort);
      others.push(other);
      return other;
    };
    const other = startOther();
    await until("the other one is up", () => hasStarted(otherUrl));
    await cluster.addNode("edge-a");
    const body = await deployDigits();

    const caller = new ReadyCaller([cluster.url, otherUrl]);
    endings.push(() => caller.stop());
    await until("one is ready", () => caller.target !== "");
    const load = steadyLoad(PER_SECOND, () => cluster.infer("digits", body, { base: caller.target }));
    endings.push(() => load.stop());
    await until("the load is served", () => load.ended.length > PER_SECOND);
    // On a busy machine the node may have connected to either.
    const turns = [cluster.url, otherUrl].toSorted((url) => (url === caller.target ? -1 : 1));
    for (const url of turns) {
      expect(caller.target).toBe(url);
      const process = url === otherUrl ? other : cluster.controlPlane;
      process.signal("SIGTERM");
      expect(await process.exited).toBe(0);
      expect(caller.target).not.toBe(url);
      if (url === otherUrl) startOther();
      else cluster.restartControlPlane();
      await until("it is up again", () => hasStarted(url), 60_000);
    }
    const goal = load.sent() + PER_SECOND;
    await until("the load goes on", () => load.sent() >= goal);
    const samples = await load.stop();
    expect(failed(samples)).toEqual([]);
    expect(samples.length).toBeGreaterThan(5 * PER_SECOND);
  }, 180_000);
});
