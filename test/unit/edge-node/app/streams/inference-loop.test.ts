import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { InferenceLoop } from "../../../../../edge-node/app/streams/inference-loop.ts";
import { StreamClock } from "../../../../../edge-node/app/streams/stream-clock.ts";
import { Wakeup } from "../../../../../edge-node/app/streams/wakeup.ts";
import type { LocalPlacementView, WorkerRequest } from "../../../../../edge-node/ports/serving.ts";
import type { Settlement, StoredItem } from "../../../../../edge-node/ports/streams.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const PLACEMENT: LocalPlacementView = {
  placementId: "p-1",
  deployment: "same",
  model: "same",
  version: "1",
  aliases: [],
  want: "serve",
  state: "ready",
  timeoutMs: 0,
  isEdgeOnly: false,
  isStandby: false,
  streams: [],
  artifact: "sha256:0",
  detail: undefined,
  stateAgeMs: 0,
  progress: undefined,
  signature: { inputs: [{ name: "x", datatype: "UINT8", shape: [-1] }], outputs: [] },
};
const POISON = 3;
const aItem = (position: number): StoredItem => ({
  position,
  id: undefined,
  key: `key ${position}`,
  isJson: false,
  acceptedAt: 0,
  bytes: Uint8Array.of(position),
});

describe("the loop that sends items through the model", () => {
  const clock = new TestClock();
  let items: readonly StoredItem[];
  let settled: Settlement[];
  let runs: number;
  let under: { fails: boolean }[];
  let infer: (request: WorkerRequest) => Promise<{ body: Uint8Array; code: undefined }>;
  let stopping: AbortController;
  let arrived: Wakeup;
  let running: Promise<void>;
  beforeEach(() => {
    [items, settled, runs, under] = [[], [], 0, []];
    stopping = new AbortController();
    arrived = new Wakeup(clock);
  });
  afterEach(async () => {
    stopping.abort();
    await running;
  });
  const start = (): void => {
    const loop = new InferenceLoop({
      stream: { deployment: "same", name: "press" },
      store: {
        take: () => Promise.resolve(items),
        settle: (_stream: unknown, more: readonly Settlement[]) => {
          settled.push(...more);
          items = items.filter(({ position }) => !more.some((each) => each.position === position));
          return Promise.resolve();
        },
      },
      node: { name: "node", placements: () => [PLACEMENT], infer: (request: WorkerRequest) => infer(request) },
      expiryMs: () => 1_000,
      time: new StreamClock(clock),
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      arrived,
      onResults: () => undefined,
    } as unknown as ConstructorParameters<typeof InferenceLoop>[0]);
    running = loop.run(stopping.signal);
  };

  it("drops the item that ends its model host, and none of those that were with it there", async () => {
    items = [1, 2, POISON, 4, 5].map(aItem);
    infer = async ({ body }) => {
      const run = { fails: body.at(-1) === POISON };
      under.push(run);
      await settle();
      // A host that ends fails all that is in it.
      const fails = under.some((each) => each.fails);
      if (run.fails) await settle();
      under = under.filter((each) => each !== run);
      if (fails) throw new SkerryError("HOST_CRASHED", "it ended");
      return { body: new TextEncoder().encode("{}"), code: undefined };
    };
    start();
    for (let i = 0; i < 40 && items.length > 0; i += 1) await clock.advance(1_000);
    const outcomes = new Map(settled.map(({ position, outcome }) => [position, outcome.kind]));
    expect([...outcomes].toSorted(([a], [b]) => a - b)).toEqual([
      [1, "inferred"],
      [2, "inferred"],
      [POISON, "dropped"],
      [4, "inferred"],
      [5, "inferred"],
    ]);
  });

  it("asks a model that cannot answer no sooner because more items come", async () => {
    items = [aItem(1)];
    infer = () => {
      runs += 1;
      return Promise.reject(new SkerryError("QUEUE_FULL", "not now"));
    };
    start();
    await clock.advance(0);
    for (let i = 0; i < 20; i += 1) {
      arrived.wake();
      await settle();
    }
    expect(runs).toBe(1);
    await clock.advance(400);
    expect(runs).toBeGreaterThan(1);
  });
});
