import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loopModel } from "../../support/models/onnx/hostile-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { residentMiB } from "../../support/processes/process-facts.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { closedLoad, steadyLoad, type LoadSample } from "../../support/processes/steady-load.ts";

const SLO_MS = 250;
const OVERLOAD = 10;
const BURST_S = 10;
/** A neighbour on the machine takes the processor away for seconds; it can spoil a round, never improve one. */
const ROUNDS = 4;
/** Slow enough that the node, and not the load generator beside it, is the bottleneck of two cores, slow ones too. */
const SERVICE_MS = 20;
/** A generator that the machine holds up offers less than the burst that is asked for. */
const LEAST_OVERLOAD = 0.8 * OVERLOAD;
/** Enough that the model never waits for the next request. */
const CLOSED_LOOP = { callers: 4, forMs: 2_000 };
const RECOVERY_MS = 1_000;
/** What a burst may add to a process. Bodies are small here; without a bound on the queue 4,000 requests would wait. */
const MORE_MIB = 64;

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await cluster.publish("loop", loopModel({ forever: false }));
  await cluster.deploy({ name: "loop", model: "loop", version: 1 });
  await cluster.whenDeploymentReady("loop");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const asking = (turns: number) => (): Promise<Response> =>
  cluster.infer(
    "loop",
    { inputs: [{ name: "turns", datatype: "INT64", shape: [], data: [turns] }] },
    { headers: { "skerry-timeout-ms": String(SLO_MS) } },
  );

/** How many thousand turns take the model about `SERVICE_MS`. */
async function calibratedTurns(): Promise<number> {
  let turns = 1;
  for (let round = 0; round < 10; round += 1) {
    const [answer] = await closedLoad({ callers: 1, forMs: 1 }, asking(turns));
    if (!answer || answer.status !== 200) throw new Error(`the model does not answer: ${answer?.error}`);
    turns = Math.max(1, Math.round((turns * SERVICE_MS) / Math.max(answer.inferMs, SERVICE_MS / 4)));
  }
  return turns;
}

const isGood = ({ status, ms }: LoadSample): boolean => status === 200 && ms <= SLO_MS;

const spanMs = (samples: readonly LoadSample[]): number =>
  Math.max(...samples.map(({ sentAt, ms }) => sentAt + ms)) - Math.min(...samples.map(({ sentAt }) => sentAt));

const perSecond = (samples: readonly LoadSample[]): number => samples.filter(isGood).length / (spanMs(samples) / 1_000);

/**
 * Share of the time in which the model worked for answers within the SLO. Answers per second would compare the burst
 * with a calibration at another moment, and a neighbour on the machine changed that figure from 60 to 39 in one run.
 */
const usefulShare = (samples: readonly LoadSample[]): number =>
  samples.filter(isGood).reduce((sum, { inferMs }) => sum + inferMs, 0) / spanMs(samples);

async function memory(): Promise<readonly number[]> {
  return Promise.all([cluster.controlPlane, node.process].map(({ child }) => residentMiB(child.pid ?? 0)));
}

interface Round {
  readonly calm: readonly LoadSample[];
  readonly burst: readonly LoadSample[];
  /** Sent over a second after the burst's last request. */
  readonly recovered: readonly LoadSample[];
  /** Offered requests ÷ the capacity. */
  readonly overload: number;
  /** Goodput within the SLO ÷ the capacity. */
  readonly goodput: number;
  readonly growthMiB: readonly number[];
}

async function round(ask: () => Promise<Response>): Promise<Round> {
  const calm = await closedLoad(CLOSED_LOOP, ask);
  const capacity = perSecond(calm);
  const memoryBefore = await memory();
  let peak = memoryBefore;
  // Each of the ten alone would fill the node.
  const loads = Array.from({ length: OVERLOAD }, () => steadyLoad(capacity, ask));
  await until(
    "the burst is over",
    async () => {
      const now = await memory();
      peak = peak.map((most, index) => Math.max(most, now[index] ?? 0));
      return loads.every((load) => load.sent() >= capacity * BURST_S);
    },
    6 * BURST_S * 1_000,
  );
  const gentle = steadyLoad(capacity / 4, ask);
  const burst = (await Promise.all(loads.map((load) => load.stop()))).flat();
  const burstEndedAt = Math.max(...burst.map(({ sentAt }) => sentAt));
  await until("it was calm for a while", () => performance.now() > burstEndedAt + 2 * RECOVERY_MS);
  const recovered = (await gentle.stop()).filter(({ sentAt }) => sentAt > burstEndedAt + RECOVERY_MS);
  return {
    calm,
    burst,
    recovered,
    overload: burst.length / (spanMs(burst) / 1_000) / capacity,
    goodput: usefulShare(burst) / usefulShare(calm),
    growthMiB: peak.map((most, index) => most - (memoryBefore[index] ?? 0)),
  };
}

/** Good enough in a whole burst, and beside a calibration that had the processor to itself. */
const isTelling = ({ goodput, overload, calm }: Round): boolean =>
  goodput >= 0.95 && overload > LEAST_OVERLOAD && usefulShare(calm) >= 0.8;

describe(`a burst of ${OVERLOAD} times the capacity`, () => {
  const rounds: Round[] = [];

  it("leaves the goodput within the SLO at 95 % of the capacity", async () => {
    const ask = asking(await calibratedTurns());
    let last = await round(ask);
    for (rounds.push(last); rounds.length < ROUNDS && !isTelling(last); rounds.push(last)) last = await round(ask);
    expect(last.overload).toBeGreaterThan(LEAST_OVERLOAD);
    expect(last.goodput).toBeGreaterThanOrEqual(0.95);
  }, 180_000);

  it("refuses the rest typed, with a time to come back, nearly all of it before it waited", () => {
    const refused = rounds.flatMap(({ burst }) => burst.filter(({ status }) => status !== 200));
    const full = refused.filter(({ status, code }) => status === 429 && code === "QUEUE_FULL");
    const late = refused.filter(({ status, code }) => status === 504 && code === "DEADLINE_EXCEEDED");
    expect(refused.length).toBeGreaterThan(100);
    expect(full.length + late.length).toBe(refused.length);
    expect(refused.filter(({ retryAfter }) => !(Number(retryAfter) >= 1))).toEqual([]);
    expect(late.length).toBeLessThan(0.05 * refused.length);
  });

  it("is over a second after its last request", () => {
    const recovered = rounds.flatMap((each) => each.recovered);
    expect(recovered.length).toBeGreaterThan(0);
    expect(recovered.filter((sample) => sample.status !== 200)).toEqual([]);
  });

  it("adds no more than a bounded memory to either process", () => {
    for (const growth of rounds.flatMap(({ growthMiB }) => growthMiB)) expect(growth).toBeLessThan(MORE_MIB);
  });
});
