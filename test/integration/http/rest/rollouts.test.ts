import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { firstRecord } from "../../../../control-plane/core/rollout/start.ts";
import { aDeployment } from "../../../support/fleet/fleet-builder.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const PATH = "/api/v1/deployments/digits/rollout";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const ask = (method: string, path: string) => api.call(method, path, { key: api.keyOf.operator });

/** The deployment is on its way from version 1 to 2. */
async function begin(): Promise<void> {
  const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
  const author = { who: "skerry", at: "2026-01-01T00:00:00.000Z" };
  const first = firstRecord(deployment, { from: 1, to: 2, declared: 2, by: "skerry" }, author);
  if (!first) throw new Error("no record");
  const times = { phaseSince: 0, beganAt: 0, phaseAt: 0, endedAt: undefined };
  const rollout = { number: 1, revision: 1, record: first.record, ...times };
  api.stores.rows.deployments = [{ ...deployment, rollout }];
  await ask("POST", "/api/v1/deployments/digits/retry"); // reads the rows again
}

describe("the rollout of a deployment", () => {
  it("is not found before the first one", async () => {
    const { status, body } = await ask("GET", PATH);
    expect([status, body.code]).toEqual([404, "NOT_FOUND"]);
    expect((await ask("POST", `${PATH}/pause`)).status).toBe(404);
  });

  it("is shown with its plan, and its history with it", async () => {
    await begin();
    const { body } = await ask("GET", PATH);
    expect(body).toMatchObject({
      deployment: "digits",
      number: 1,
      from: 1,
      to: 2,
      phase: "pending",
      strategy: "rolling",
      waves: [{ percent: 25 }, { percent: 50 }, { percent: 100 }],
      share: 0,
      endedAt: null,
    });
    expect((await ask("GET", `${PATH}/history`)).body.items).toEqual([body]);
  });

  it("is paused and resumed by an operator, with an event and an audit row, and refused what its phase does not allow", async () => {
    await begin();
    expect((await ask("POST", `${PATH}/pause`)).body).toMatchObject({ phase: "paused", resumes: "pending" });
    const again = await ask("POST", `${PATH}/pause`);
    expect([again.status, again.body.code]).toEqual([409, "CONFLICT"]);
    expect(again.body.detail).toContain("is paused: there is nothing to pause");
    expect((await ask("POST", `${PATH}/resume`)).body).toMatchObject({ phase: "pending", resumes: null });
    expect(api.stores.happened.map(({ reason }) => reason)).toEqual(["RolloutPaused", "RolloutResumed"]);
    expect(
      api.stores.audited.filter(({ target }) => target === "deployment/digits").map(({ action }) => action),
    ).toEqual(expect.arrayContaining(["pause", "resume"]));
  });

  it("takes why an action is done, in one line, and nothing else", async () => {
    await begin();
    const say = (body: object) => api.call("POST", `${PATH}/pause`, { key: api.keyOf.operator, body });
    expect((await say({ why: "a\nb" })).body).toMatchObject({
      code: "INVALID_REQUEST",
      causes: [{ field: "why", message: "must be one line" }],
    });
    expect((await say({ reason: "holiday" })).status).toBe(400);
    expect((await say({ why: "holiday" })).body).toMatchObject({
      reason: expect.stringMatching(/ paused the rollout to digits:2: holiday$/),
    });
  });

  it("is refused an approval that it does not need", async () => {
    await begin();
    const { status, body } = await ask("POST", `${PATH}/approve`);
    expect([status, body.detail]).toEqual([409, expect.stringContaining("needs no approval")]);
  });

  it("returns by `abort`, and stays where it is by what viewers ask", async () => {
    await begin();
    expect((await api.call("POST", `${PATH}/abort`, { key: api.keyOf.viewer })).status).toBe(403);
    expect((await ask("POST", `${PATH}/abort`)).body).toMatchObject({ phase: "rolling-back", share: 0 });
  });
});
