import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { aDeployment, aNode, aVersion } from "../../support/fleet/fleet-builder.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import type { Answer } from "./support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "./support/open-http-api.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const change = (verb: "load" | "unload", model: string, headers: Record<string, string> = {}): Promise<Answer> =>
  api.call("POST", `/v2/repository/models/${model}/${verb}`, { key: api.keyOf.operator, headers });

/** Lets the caller's time pass while the answer is waited for. */
async function overtime(answer: Promise<Answer>): Promise<Answer> {
  let isThere = false;
  void answer.finally(() => (isThere = true));
  while (!isThere) await api.clock.advance(500);
  return answer;
}

const specOf = (name: string): DeploymentSpec | undefined =>
  api.stores.rows.deployments.find((deployment) => deployment.name === name)?.spec;
const replicasOf = (name: string): readonly (number | undefined)[] => {
  const spec = specOf(name);
  return [spec?.placement.edge.min, spec?.placement.cloud.min];
};

describe("load", () => {
  it("changes nothing where a replica is ready already", async () => {
    const before = specOf("digits");
    expect((await change("load", "digits")).status).toBe(200);
    expect(specOf("digits")).toEqual(before);
  });

  it("declares a deployment of the newest version with one replica, and says why it is not ready", async () => {
    api.stores.rows.versions = [
      ...api.stores.rows.versions,
      aVersion("secret", 2),
      aVersion("secret", 3, { state: "rejected" }),
    ];
    await api.clock.advance(301_000); // the fleet is read again
    const answer = await overtime(change("load", "secret", { "Skerry-Timeout-Ms": "1000" }));
    expect([answer.status, answer.headers["skerry-error"], answer.headers["retry-after"]]).toEqual([
      503,
      "MODEL_NOT_READY",
      "1",
    ]);
    expect(answer.body.error).toContain("secret is declared by deployment secret and not ready: none is placed yet");
    expect(specOf("secret")).toMatchObject({ model: "secret", version: 2 });
    expect(replicasOf("secret")).toEqual([1, 0]);
  });

  it("asks for the replica in the cloud where no edge node is", async () => {
    api.stores.rows.nodes = [aNode("cloud-a", { kind: "cloud" })];
    await api.clock.advance(301_000); // the fleet is read again
    await overtime(change("load", "secret", { "Skerry-Timeout-Ms": "500" }));
    expect(replicasOf("secret")).toEqual([0, 1]);
  });

  it("does not take over another model's deployment", async () => {
    api.stores.rows.deployments = [aDeployment({ name: "secret", model: "digits", version: 1 })];
    await api.clock.advance(301_000); // the fleet is read again
    const answer = await change("load", "secret");
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([409, "CONFLICT"]);
  });

  it("stops waiting when its caller goes away, which is nobody's fault", async () => {
    await api.close();
    const told: string[] = [];
    const logger = {
      ...silentLogger,
      info: (_: object, message: string) => void told.push(message),
      error: (_: object, message: string) => void told.push(message),
    };
    api = await openHttpApi({ logger });
    const request = api.open("POST", "/v2/repository/models/secret/load", { key: api.keyOf.operator });
    request.on("error", () => undefined).end();
    await eventually("the deployment is declared", () => specOf("secret") !== undefined);
    request.destroy();
    await eventually("the request is over", () => told.length > 0);
    expect(told).toEqual(["request"]);
  });

  it("refuses a timeout that is none", async () => {
    expect((await change("load", "digits", { "Skerry-Timeout-Ms": "0" })).status).toBe(400);
  });
});

describe("unload", () => {
  it("asks for no replica and says on which node it still drains", async () => {
    const answer = await overtime(change("unload", "digits", { "Skerry-Timeout-Ms": "1000" }));
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([504, "DEADLINE_EXCEEDED"]);
    expect(answer.body.error).toContain("digits still drains on edge-a");
    expect(specOf("digits")).toMatchObject({ paused: true });
  });

  it("answers when the last placement is gone, and does not wait for a node that is away", async () => {
    api.stores.rows.placements = [];
    await api.clock.advance(301_000); // the fleet is read again
    expect((await change("unload", "digits")).status).toBe(200);
    expect(specOf("digits")).toMatchObject({ paused: true });
  });

  it("and load after it bring back what was declared", async () => {
    const spec = { name: "digits", model: "digits", version: 1, placement: { edge: { min: 3 } } };
    await api.call("PUT", "/api/v1/deployments/digits", { key: api.keyOf.admin, body: spec });
    const before = specOf("digits");
    expect(before).toMatchObject({ placement: { edge: { min: 3 } } });
    await overtime(change("unload", "digits", { "Skerry-Timeout-Ms": "1000" }));
    expect((await change("load", "digits")).status).toBe(200);
    expect(specOf("digits")).toEqual(before);
  });
});
