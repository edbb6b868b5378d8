import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Endpoint } from "../../shared/api/v1/inference.ts";
import type { ConformanceCase } from "./case.ts";
import type { Target } from "./exchange.ts";
import { type CaseGroup, loadCases, select } from "./load-cases.ts";
import { type OwnServer, startOwnServer } from "./own-server.ts";
import { runCase } from "./run-case.ts";

/**
 * The cases against a control plane and a node of our own, or, with SKERRY_CONFORMANCE_URL, against whatever answers
 * there. README.md names the other settings.
 */
const { env } = process;
const cases = loadCases();
const foreignUrl = env["SKERRY_CONFORMANCE_URL"];

function runAll(groups: readonly CaseGroup[], target: () => Target, houseRules: boolean): void {
  for (const group of groups) {
    describe(`${group.about}`, () => {
      it.each([...group.cases])("$name", async (each) => {
        const request = `${each.request.method} ${each.request.path}`;
        const complaints = await runCase(each, target(), { houseRules });
        expect({ request, complaints }).toEqual({ request, complaints: [] });
      });
    });
  }
}

if (foreignUrl === undefined) runOwn();
else runForeign(foreignUrl.replace(/\/$/, ""));

function runForeign(url: string): void {
  const keys = {
    default: env["SKERRY_CONFORMANCE_KEY"],
    viewer: env["SKERRY_CONFORMANCE_VIEWER_KEY"],
    application: env["SKERRY_CONFORMANCE_APPLICATION_KEY"],
  };
  const given = Object.fromEntries(Object.entries(keys).filter(([, key]) => key !== undefined));
  const tags = (env["SKERRY_CONFORMANCE_TAGS"] ?? "spec").split(",");
  const needsMissingKey = ({ as }: ConformanceCase): boolean =>
    as !== "none" && as !== "wrong" && as !== "default" && !(as in given);
  const groups = select(cases, tags).map(({ about, cases: group }) => ({
    about,
    cases: group.filter((each) => !needsMissingKey(each)),
  }));
  describe(`${url} (${tags.join(", ")})`, () => {
    runAll(groups, () => ({ url, keys: given }), tags.includes("skerry"));
  });
}

async function read<Body>({ url, keys }: Target, path: string): Promise<Body> {
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${keys.default}` } });
  return (await answer.json()) as Body;
}

function runOwn(): void {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startOwnServer();
  }, 120_000);
  afterAll(() => server?.stop());

  describe("the control plane", () => {
    runAll(select(cases, ["control-plane", "-broken"]), () => server.controlPlane, true);
  });

  describe("a node's own address", () => {
    // A run that the control plane's cases gave up may still be under way.
    beforeAll(() => server.whenNodeServes());
    runAll(select(cases, ["node", "-broken"]), () => server.node, true);

    it("shows the same metadata of every model as the control plane", async () => {
      const { controlPlane, node } = server;
      const { models } = await read<{ models: string[] }>(node, "/v2/models");
      expect(models.length).toBeGreaterThan(10);
      for (const model of models)
        expect(await read(node, `/v2/models/${model}`)).toEqual(await read(controlPlane, `/v2/models/${model}`));
    });
  });

  describe("with a deployment that cannot become ready", () => {
    beforeAll(() => server.breakOne());
    describe("the control plane", () => {
      runAll(select(cases, ["control-plane", "broken"]), () => server.controlPlane, true);
    });
    describe("a node's own address", () => {
      runAll(select(cases, ["node", "broken"]), () => server.node, true);
    });
  });

  it("leads callers from a deployment to the node's own address", async () => {
    const { cluster, node } = server;
    const { items } = await cluster.get<{ items: Endpoint[] }>("/deployments/conf-fp32/endpoints");
    expect(items).toEqual([
      {
        node: "conf-edge",
        kind: "edge",
        site: "conf-edge",
        version: 2,
        state: "ready",
        nodeState: "ready",
        url: `${node.url}/v2/models/conf-fp32/infer`,
        reach: "machine",
        key: "node",
      },
    ]);
  });

  it("has kept the session of the node through all of it", async () => {
    const { cluster } = server;
    const lost = (await cluster.events()).filter(({ reason }) => reason === "NodeDisconnected");
    expect(lost).toEqual([]);
  });

  describe("a node's own address while the control plane is away", () => {
    beforeAll(async () => {
      await server.mend();
      await server.cluster.controlPlane.kill();
    });
    runAll(select(cases, ["node", "-broken"]), () => server.node, true);
  });
}
