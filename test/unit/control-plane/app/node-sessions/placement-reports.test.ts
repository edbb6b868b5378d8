import { describe, expect, it } from "@jest/globals";
import { PlacementReports } from "../../../../../control-plane/app/node-sessions/placement-reports.ts";
import type { SessionStore } from "../../../../../control-plane/ports/nodes/nodes.ts";
import type { PlacementReport } from "../../../../../shared/protocol/messages/placement-report.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { eventually } from "../../../../support/eventually.ts";
import { aDeployment, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const node = aNode("edge-a");
const ready = { placementId: "p-edge-a", generation: 1, state: "ready" } as const;

/** Postgres as the reports see it: what it was told, and whether it is there. */
class FakeStore {
  isAway = false;
  readonly told: { epoch: number; reports: readonly PlacementReport[]; events: readonly string[] }[] = [];

  readonly report: SessionStore["report"] = ({ epoch }, reports, events) => {
    if (this.isAway) return Promise.reject(new Error("PostgreSQL is away"));
    this.told.push({ epoch, reports, events: events.map(({ reason }) => reason) });
    return Promise.resolve(true);
  };
}

async function setUp() {
  const clock = new TestClock();
  const fleet = await fleetOf(
    {
      nodes: [node],
      versions: [aVersion("digits", 1)],
      deployments: [aDeployment({ name: "digits", model: "digits", version: 1 })],
      placements: [aPlacement(node, { state: "loading" })],
    },
    clock,
  );
  const store = new FakeStore();
  const said: string[] = [];
  const ended: string[] = [];
  const reportsOf = (epoch: number): PlacementReports => {
    const control = { send: () => 1, close: () => undefined, lastByteAt: () => 0, ping: () => undefined };
    const session = aSession(node, { control, clock, epoch });
    const sessions = store as unknown as SessionStore;
    const push = { offerSoon: () => undefined } as never;
    return new PlacementReports(session, {
      sessions,
      fleet,
      push,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      recorder: { record: ({ reason, message }) => said.push(`${reason}: ${message}`) },
      onHostEnded: ({ id }) => ended.push(id),
    });
  };
  return { store, reportsOf, said, ended };
}

describe("what a node says of its placements", () => {
  it("reaches Postgres when its runs are not shared any more, though its state is the same", async () => {
    const { store, reportsOf } = await setUp();
    const reports = reportsOf(1);
    const sharing = { isShared: true, reason: "the graph proves that rows are independent" };
    reports.add({ ...ready, sharing });
    await eventually("the first report", () => store.told.length === 1);
    reports.add({ ...ready, sharing });
    const stopped = { isShared: false, reason: 'output "y" of a request differed from its answer alone' };
    reports.add({ ...ready, sharing: stopped });
    await eventually("the second report", () => store.told.length === 2);
    expect(store.told[1]).toEqual({ epoch: 1, reports: [{ ...ready, sharing: stopped }], events: [] });
  });

  it("reaches Postgres once, with its event, when its state has changed", async () => {
    const { store, reportsOf } = await setUp();
    const reports = reportsOf(1);
    reports.add(ready);
    reports.add(ready);
    await eventually("it was told", () => store.told.length > 0);
    expect(store.told).toEqual([{ epoch: 1, reports: [ready], events: ["PlacementReady"] }]);
  });

  it("reaches Postgres with the next session's hello, when the last one's report could not be written", async () => {
    const { store, reportsOf } = await setUp();
    const first = reportsOf(1);
    store.isAway = true;
    first.add(ready);
    first.close();
    store.isAway = false;
    reportsOf(2).afterHello([ready]);
    await eventually("it was told", () => store.told.length > 0);
    expect(store.told).toEqual([{ epoch: 2, reports: [ready], events: [] }]);
  });

  it("tells a model host that ended from one that is loaded, drained or restarted with its agent", async () => {
    const { reportsOf, ended } = await setUp();
    const reports = reportsOf(1);
    const say = (state: PlacementReport["state"]): void => reports.add({ ...ready, state });
    say("warming");
    say("ready");
    say("draining");
    say("ready");
    expect(ended).toEqual([]);
    say("loading");
    say("loading");
    expect(ended).toEqual(["p-edge-a"]);
    say("ready");
    reportsOf(2).afterHello([{ ...ready, state: "loading" }]);
    expect(ended).toEqual(["p-edge-a"]);
  });

  it("of a generation that this replica has not read yet reaches Postgres all the same", async () => {
    const { store, reportsOf } = await setUp();
    const newer = { ...ready, generation: 2 };
    reportsOf(1).add(newer);
    await eventually("it was told", () => store.told.length > 0);
    expect(store.told).toEqual([{ epoch: 1, reports: [newer], events: [] }]);
  });

  it("says that what hello leaves out has to come again, whatever was known of it", async () => {
    const { store, reportsOf, said } = await setUp();
    reportsOf(1).afterHello([]);
    reportsOf(2).afterHello([]);
    await eventually("both were told", () => store.told.length === 2);
    expect(store.told.map(({ reports }) => reports)).toMatchObject([[{ state: "offered" }], [{ state: "offered" }]]);
    expect(said).toEqual([
      "PlacementMissing: digits:1 is recorded as loading on edge-a, which does not have it: it is offered anew",
    ]);
  });
});
