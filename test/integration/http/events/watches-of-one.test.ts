import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { firstRecord } from "../../../../control-plane/core/rollout/start.ts";
import { placement } from "../../../../shared/api/v1/deployments/placements.ts";
import { rollout } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { aDeployment, aNode, aPlacement } from "../../../support/fleet/fleet-builder.ts";
import { EventStream } from "../support/event-stream.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";
import { nextMessage, untilBookmark } from "../support/watch-messages.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const follow = (path: string): Promise<EventStream> =>
  EventStream.open(api.open("GET", path, { key: api.keyOf.admin }));
/** Reads the rows again, and lets what changed reach the followers. */
async function read(): Promise<void> {
  await api.call("POST", "/api/v1/nodes/edge-a/cordon", { key: api.keyOf.admin });
  await api.clock.advance(1_000);
}

describe("a watch of the rollout of a deployment", () => {
  const PATH = "/api/v1/deployments/digits/rollout?watch=true";

  async function begin(): Promise<void> {
    const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
    const author = { who: "skerry", at: "2026-01-01T00:00:00.000Z" };
    const first = firstRecord(deployment, { from: 1, to: 2, declared: 2, by: "skerry" }, author);
    if (!first) throw new Error("no record");
    const times = { phaseSince: 0, beganAt: 0, phaseAt: 0, endedAt: undefined };
    api.stores.rows.deployments = [
      { ...deployment, rollout: { number: 1, revision: 1, record: first.record, ...times } },
      aDeployment({ name: "other", model: "digits", version: 1 }),
    ];
    await api.call("POST", "/api/v1/deployments/digits/retry", { key: api.keyOf.admin });
  }

  it("sends it as it is, and after each change", async () => {
    await begin();
    const stream = await follow(PATH);
    expect((await untilBookmark(stream)).seen).toEqual(["reset", "added"]);
    await api.call("POST", "/api/v1/deployments/digits/rollout/pause", { key: api.keyOf.admin });
    await api.clock.advance(200);
    const changed = await nextMessage(stream);
    expect([changed?.event, rollout.parse(changed?.data).phase]).toEqual(["modified", "paused"]);
    stream.close();
  });

  it("is refused where there is none", async () => {
    expect((await api.call("GET", PATH, { key: api.keyOf.admin })).status).toBe(404);
  });
});

describe("a watch of placements", () => {
  const nodeAt = (at: number) => {
    const node = api.stores.rows.nodes[at];
    if (!node) throw new Error("there is no such node");
    return aNode(node.name);
  };

  it.each(["/api/v1/models/digits/versions/1/placements", "/api/v1/deployments/digits/placements"])(
    "at %s sends those that are asked for, and what becomes of them",
    async (path) => {
      const stream = await follow(`${path}?watch=true`);
      expect((await untilBookmark(stream)).seen).toEqual(["reset", "added"]);
      const other = aPlacement(nodeAt(1), { deployment: "other", version: 2 });
      const moved = { state: "downloading", stateSince: api.clock.now() } as const;
      api.stores.rows.placements = [aPlacement(nodeAt(0), moved), other];
      await read();
      const changed = await nextMessage(stream);
      expect([changed?.event, placement.parse(changed?.data).state]).toEqual(["modified", "downloading"]);
      api.stores.rows.placements = [other];
      await read();
      expect(await nextMessage(stream)).toMatchObject({ event: "deleted" });
      stream.close();
    },
  );

  it("is refused for what is not there", async () => {
    for (const path of ["/api/v1/models/digits/versions/9/placements", "/api/v1/deployments/none/placements"])
      expect((await api.call("GET", `${path}?watch=true`, { key: api.keyOf.admin })).status).toBe(404);
  });
});
