import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed, placementOn, versionOf } from "../support/objects.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import type { ServerResponse } from "node:http";

describe("reading commands", () => {
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
  });
  afterEach(() => api.stop());

  it("show nodes as a table, with the age of what is known", async () => {
    api.on(
      "GET /api/v1/nodes",
      listOf(nodeNamed("edge-a"), nodeNamed("edge-b", { state: "suspect", cordoned: true, lastSeenAgeMs: 130_000 })),
    );
    const { exitCode, stdout, stderr } = await cli("nodes", "ls");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(
      [
        "NAME    KIND  SITE     STATE             SEEN  RTT  CPU  HOLDS",
        "edge-a  edge  harbour  ready             2s      –    –  –",
        "edge-b  edge  harbour  suspect,cordoned  2m      –    –  –",
        "",
      ].join("\n"),
    );
    expect(api.asked[0]?.headers.authorization).toBe("Bearer sk_test");
  });

  it("print the API's answer as it is, unknown fields included", async () => {
    const answer = { ...nodeNamed("edge-a"), newField: 1 };
    api.on("GET /api/v1/nodes/edge-a", answer);
    expect(JSON.parse((await cli("nodes", "get", "edge-a", "-o", "json")).stdout)).toEqual(answer);
  });

  it("read every page of a list", async () => {
    api.on("GET /api/v1/nodes", ({ path }: Asked, response: ServerResponse) => {
      const isSecond = path.includes("cursor=two");
      json(response, 200, { items: [nodeNamed(isSecond ? "b" : "a")], nextCursor: isSecond ? null : "two" });
    });
    expect((await cli("nodes", "ls", "-o", "name")).stdout).toBe("a\nb\n");
    expect((await cli("nodes", "ls", "-o", "name", "--limit", "1")).stdout).toBe("a\n");
  });

  it("send a selector on as it was written", async () => {
    api.on("GET /api/v1/nodes", listOf());
    const { stderr } = await cli("nodes", "ls", "-l", "site in (harbour, island)");
    expect(new URL(api.asked[0]?.path ?? "", "http://x").searchParams.get("labelSelector")).toBe(
      "site in (harbour, island)",
    );
    expect(stderr).toContain("skerry token create --print-join");
  });

  it.each([
    [404, "NOT_FOUND", 5],
    [401, "UNAUTHENTICATED", 4],
    [403, "FORBIDDEN", 4],
    [503, "DATABASE_UNAVAILABLE", 1],
  ])("end with the exit code of a %i %s", async (status, code, exitCode) => {
    api.problem("GET /api/v1/nodes/edge-a", status, code, "node edge-a: no.");
    const result = await cli("nodes", "get", "edge-a");
    expect([result.exitCode, result.stdout]).toEqual([exitCode, ""]);
    expect(result.stderr).toContain(`error: node edge-a: no (${code})`);
    expect(result.stderr).toContain("fix      the fix");
  });

  it("escape names, so that none reaches another path", async () => {
    await cli("nodes", "get", "../models");
    expect(api.asked[0]?.path).toBe("/api/v1/nodes/..%2Fmodels");
  });

  it("show a deployment with conditions, replicas and what could not be placed, which is exit code 2", async () => {
    api.on(
      "GET /api/v1/deployments/digits",
      deploymentNamed("digits", false, { unplaced: ["no node fits: edge-b is cordoned"] }),
    );
    api.on("GET /api/v1/deployments/digits/placements", listOf(placementOn("edge-a", "downloading")));
    const { exitCode, stdout } = await cli("deployments", "get", "digits");
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(/Not placed +no node fits: edge-b is cordoned/);
    expect(stdout).toMatch(/Ready +False +Waiting +1 replica is loading/);
    expect(stdout).toMatch(/edge-a +edge +digits:1 +downloading 43 % +1s +it is near/);
  });

  it("show why runs of each replica are shared or not, once for all nodes with the same reason", async () => {
    api.on("GET /api/v1/deployments/digits", deploymentNamed("digits", true));
    const stopped = { isShared: false, reason: 'output "y" of a request differed from its answer alone' };
    const [a, b, c] = ["edge-a", "edge-b", "edge-c"].map((node) => placementOn(node, "ready"));
    api.on("GET /api/v1/deployments/digits/placements", listOf(a, { ...b, sharing: stopped }, c));
    const { stdout } = await cli("deployments", "get", "digits");
    expect(stdout).toContain("Shared runs on edge-a, edge-c: yes: the graph proves that rows are independent");
    expect(stdout).toContain(`Shared runs on edge-b: no: ${stopped.reason}`);
    const wide = (await cli("deployments", "get", "digits", "-o", "wide")).stdout;
    expect(wide).toMatch(/edge-b .*320 MiB +own +no: output "y"/);
  });

  it("resolve an alias to its version", async () => {
    api.on("GET /api/v1/models/digits", {
      name: "digits",
      labels: {},
      aliases: { champion: 2 },
      latestVersion: 3,
      createdAt: new Date(0).toISOString(),
    });
    api.on("GET /api/v1/models/digits/versions/2", versionOf("digits", { version: 2 }));
    api.on("GET /api/v1/models/digits/versions/3", versionOf("digits", { version: 3 }));
    expect((await cli("models", "inspect", "digits:champion", "-o", "name")).stdout).toBe("digits:2\n");
    expect((await cli("models", "inspect", "digits", "-o", "name")).stdout).toBe("digits:3\n");
    const missing = await cli("models", "inspect", "digits:staging");
    expect(missing.exitCode).toBe(5);
    expect(missing.stderr).toContain("its aliases: champion = 2");
  });

  it("say that the versions differ when an answer is not understood", async () => {
    api.on("GET /api/v1/nodes/edge-a", { name: 7 });
    const { exitCode, stderr } = await cli("nodes", "get", "edge-a");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the server's answer is not a node as this command line tool knows it");
  });

  it("ask again when the connection breaks in the middle of a question", async () => {
    let calls = 0;
    api.on("GET /api/v1/nodes", (_: Asked, response: ServerResponse) => {
      calls += 1;
      if (calls === 1) response.destroy();
      else json(response, 200, listOf(nodeNamed("edge-a")));
    });
    expect((await cli("nodes", "ls", "-o", "name")).stdout).toBe("edge-a\n");
  });

  it("give up after --timeout and say so", async () => {
    api.on("GET /api/v1/nodes", () => {});
    const { exitCode, stderr } = await cli("nodes", "ls", "--timeout", "100ms");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("within 0.1 s");
  });
});
