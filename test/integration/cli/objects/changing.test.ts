import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed, placementOn } from "../support/objects.ts";

const spec = "name: digits\nmodel: digits\nversion: 1\n";

describe("changing commands", () => {
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env, stdin: spec });

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
  });
  afterEach(() => api.stop());

  it("end with the line of the next command, on stderr", async () => {
    api.on("POST /api/v1/nodes/edge-a/cordon", nodeNamed("edge-a", { cordoned: true }));
    const { exitCode, stdout, stderr } = await cli("nodes", "cordon", "edge-a");
    expect([exitCode, stdout]).toEqual([0, ""]);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("Next: skerry nodes drain edge-a --wait");
  });

  it("say nothing with -q and still print JSON when asked", async () => {
    api.on("POST /api/v1/nodes/edge-a/cordon", nodeNamed("edge-a", { cordoned: true }));
    const { stdout, stderr } = await cli("nodes", "cordon", "edge-a", "-q", "-o", "json");
    expect([JSON.parse(stdout).cordoned, stderr]).toEqual([true, ""]);
  });

  it("send an Idempotency-Key with every POST", async () => {
    api.on("POST /api/v1/nodes/edge-a/uncordon", nodeNamed("edge-a"));
    await cli("nodes", "uncordon", "edge-a");
    expect(api.asked[0]?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("remove a deployment only as it was read; a change in between is exit code 6", async () => {
    api.on("GET /api/v1/deployments/digits", deploymentNamed("digits", true), { headers: { ETag: '"7"' } });
    api.problem("DELETE /api/v1/deployments/digits", 412, "STALE_ETAG", "deployment digits was changed.");
    const { exitCode } = await cli("deployments", "rm", "digits");
    expect([exitCode, api.asked.at(-1)?.headers["if-match"]]).toEqual([6, '"7"']);
  });

  it.each(["a", "a/b/c", "/b"])("declare no pool for the Deployment `%s`, which is none", async (deployment) => {
    api.problem("GET /api/v1/cloud-pools/gpu", 404, "NOT_FOUND", "there is no pool gpu");
    const { exitCode, stderr } = await cli("pools", "set", "gpu", "--max", "2", "--deployment", deployment);
    expect([exitCode, stderr]).toEqual([64, expect.stringContaining("--deployment NAMESPACE/NAME")]);
    expect(api.asked.map(({ method }) => method)).toEqual(["GET"]);
  });

  it("retry the failed replicas of a deployment and say how many there are", async () => {
    api.on("POST /api/v1/deployments/digits/retry", { retried: 2 });
    const { exitCode, stdout, stderr } = await cli("deployments", "retry", "digits");
    expect([exitCode, stdout, stderr]).toEqual([
      0,
      "",
      "2 replicas of digits are tried again\nNext: skerry deployments get digits\n",
    ]);
    expect((await cli("deployments", "retry", "digits", "-o", "json")).stdout).toBe('{\n  "retried": 2\n}\n');
  });

  it("print the join line alone on stdout, with the address that was spoken to", async () => {
    const token = {
      id: "t1",
      kind: "edge",
      site: "harbour",
      zone: "harbour",
      name: null,
      uses: 1,
      used: 0,
      usedAt: null,
      usedBy: null,
    };
    const times = { createdAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 600_000).toISOString() };
    api.on(
      "POST /api/v1/join-tokens",
      { ...token, ...times, token: "skj1.a.b.c.d", joinCommand: "x" },
      { status: 201 },
    );
    const { stdout, stderr } = await cli("token", "create", "--print-join", "--site", "harbour");
    expect(stdout).toBe(`echo skj1.a.b.c.d | npm run -s skerry -- join - --server ${env["SKERRY_SERVER"]}\n`);
    expect(stderr).toContain("Good for one edge node at harbour, for 10m");
  });

  it("rename a node only as it was read", async () => {
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"), { headers: { ETag: '"7"' } });
    api.on("PATCH /api/v1/nodes/edge-a", nodeNamed("quay-1"));
    const { exitCode, stderr } = await cli("nodes", "rename", "edge-a", "quay-1");
    expect([exitCode, api.asked.at(-1)?.headers["if-match"], String(api.asked.at(-1)?.body)]).toEqual([
      0,
      '"7"',
      JSON.stringify({ name: "quay-1" }),
    ]);
    expect(stderr).toContain("edge-a is called quay-1 now.");
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("Next: skerry nodes get quay-1");
  });

  it("say where a node is, only as it was read, and that its zone stays", async () => {
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"), { headers: { ETag: '"7"' } });
    api.on("PATCH /api/v1/nodes/edge-a", nodeNamed("edge-a", { site: "island" }));
    const { exitCode, stderr } = await cli("nodes", "set", "edge-a", "--site", "island");
    expect([exitCode, api.asked.at(-1)?.headers["if-match"], String(api.asked.at(-1)?.body)]).toEqual([
      0,
      '"7"',
      JSON.stringify({ site: "island" }),
    ]);
    expect(stderr.split("\n").slice(0, 3)).toEqual([
      "edge-a is at site island, in zone harbour.",
      "Its zone is still that of its old site; `--zone island` changes it, too.",
      "Next: skerry nodes get edge-a -o wide",
    ]);
    expect((await cli("nodes", "set", "edge-a")).exitCode).toBe(64);
  });

  it("wait until a drained node is empty", async () => {
    api.on("POST /api/v1/nodes/edge-a/drain", nodeNamed("edge-a", { draining: true }));
    let looks = 0;
    const held = [
      {
        placementId: "p",
        deployment: "digits",
        model: "digits",
        version: 1,
        state: "draining",
        stateAgeMs: 1,
        host: null,
        variant: null,
      },
    ];
    api.on("GET /api/v1/nodes/edge-a", (_: Asked, response: ServerResponse) => {
      looks += 1;
      json(response, 200, nodeNamed("edge-a", { placements: looks < 2 ? held : [] }));
    });
    const { exitCode, stderr } = await cli("nodes", "drain", "edge-a", "--wait");
    expect([exitCode, looks]).toEqual([0, 2]);
    expect(stderr).toContain("edge-a  still holds digits:1 draining\n");
    expect(stderr).toContain("edge-a is empty.");
  });

  it("end a wait that stays unmet with 2 and what is left", async () => {
    api.on("POST /api/v1/nodes/edge-a/drain", nodeNamed("edge-a", { draining: true }));
    const placements = [
      {
        placementId: "p",
        deployment: "digits",
        model: "digits",
        version: 1,
        state: "ready",
        stateAgeMs: 1,
        host: null,
        variant: null,
      },
    ];
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a", { placements }));
    const { exitCode, stderr } = await cli("nodes", "drain", "edge-a", "--wait", "--timeout", "3s");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("why      it still holds digits:1 ready");
  });

  it("give a drain its deadline, and end the wait when the control plane says that it has passed", async () => {
    api.on("POST /api/v1/nodes/edge-a/drain", nodeNamed("edge-a", { draining: true }));
    const waitsFor = ["digits:1 of digits (ready) stays until enough others are ready elsewhere"];
    const drain = {
      deadline: new Date(0).toISOString(),
      leftMs: 0,
      overdue: true,
      atDeadline: "wait" as const,
      waitsFor,
    };
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a", { draining: true, drain }));
    const { exitCode, stderr } = await cli("nodes", "drain", "edge-a", "--deadline", "60", "--wait");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("the drain of edge-a is past its deadline, and goes on");
    expect(stderr).toContain(`why      ${waitsFor[0]}`);
    const bodyOf = (at: number): unknown => JSON.parse(String(api.asked.at(at)?.body));
    expect(bodyOf(-2)).toEqual({ deadlineSeconds: 60 });
    expect((await cli("nodes", "drain", "edge-a", "--force")).exitCode).toBe(64);
    api.on("GET /api/v1/events", listOf());
    const { stdout } = await cli("nodes", "describe", "edge-a");
    expect(stdout).toContain("passed at 1970-01-01T00:00:00.000Z; what is left is named then and stays");
    expect(stdout).toContain(String(waitsFor[0]));
    await cli("nodes", "drain", "edge-a", "--deadline", "1.5h", "--force");
    expect(bodyOf(-1)).toEqual({ deadlineSeconds: 5_400, atDeadline: "remove" });
    expect((await cli("nodes", "drain", "edge-a", "--deadline", "500ms")).exitCode).toBe(64);
  });

  describe("apply", () => {
    it("creates what is missing and says how to wait for it", async () => {
      api.on("PUT /api/v1/deployments/digits", deploymentNamed("digits", false), { status: 201 });
      const { exitCode, stderr } = await cli("apply", "-f", "-");
      expect([exitCode, stderr]).toEqual([
        0,
        "deployment digits created\nNext: skerry deployments get digits --wait\n",
      ]);
      expect(JSON.parse(api.asked.at(-1)?.body.toString() ?? "")).toMatchObject({
        name: "digits",
        placement: { edge: { min: 1 } },
      });
    });

    it("replaces what is there only as it was read", async () => {
      api.on("GET /api/v1/deployments/digits", deploymentNamed("digits", true), { headers: { ETag: '"3"' } });
      api.on("PUT /api/v1/deployments/digits", deploymentNamed("digits", true));
      const { stderr } = await cli("apply", "-f", "-");
      expect(stderr).toContain("deployment digits unchanged");
      expect(api.asked.at(-1)?.headers["if-match"]).toBe('"3"');
    });

    it("declares pools first, each as it was read, and says what became of them", async () => {
      const pool = (name: string) => ({ name, namespace: "skerry", deployment: `skerry-node-${name}`, max: 4 });
      const documents = [spec, ...["gpu", "spot", "old"].map((name) => JSON.stringify(pool(name)))];
      api.on("GET /api/v1/cloud-pools/spot", pool("spot"), { headers: { ETag: '"3"' } });
      api.on("PUT /api/v1/cloud-pools/gpu", pool("gpu"), { status: 201, headers: { ETag: '"1"' } });
      api.on("PUT /api/v1/cloud-pools/spot", pool("spot"), { headers: { ETag: '"4"' } });
      api.on("GET /api/v1/cloud-pools/old", pool("old"), { headers: { ETag: '"7"' } });
      api.on("PUT /api/v1/cloud-pools/old", pool("old"), { headers: { ETag: '"7"' } });
      api.on("PUT /api/v1/deployments/digits", deploymentNamed("digits", false), { status: 201 });
      const { exitCode, stderr } = await runCli(["apply", "-f", "-"], { env, stdin: documents.join("\n---\n") });
      expect([exitCode, stderr]).toEqual([
        0,
        "pool gpu created\npool spot changed\npool old unchanged\ndeployment digits created\nNext: skerry deployments get digits --wait\n",
      ]);
      const puts = api.asked.filter(({ method }) => method === "PUT");
      expect(puts.map(({ path, headers }) => [path, headers["if-match"]])).toEqual([
        ["/api/v1/cloud-pools/gpu", undefined],
        ["/api/v1/cloud-pools/spot", '"3"'],
        ["/api/v1/cloud-pools/old", '"7"'],
        ["/api/v1/deployments/digits", undefined],
      ]);
    });

    it("is about pools alone when the files declare no deployment, and a plan is not", async () => {
      api.on("PUT /api/v1/cloud-pools/gpu", {}, { status: 201 });
      const stdin = "kind: CloudPool\nname: gpu\nnamespace: skerry\ndeployment: skerry-node-gpu\nmax: 4\n";
      const { exitCode, stderr } = await runCli(["apply", "-f", "-"], { env, stdin });
      expect([exitCode, stderr]).toEqual([0, "pool gpu created\nNext: skerry pools get gpu\n"]);
      const planned = await runCli(["plan", "-f", "-"], { env, stdin });
      expect([planned.exitCode, planned.stderr]).toEqual([
        1,
        expect.stringContaining("there is no deployment in what is declared"),
      ]);
    });

    it("waits until it is ready, with a line for each replica that says something new", async () => {
      let looks = 0;
      api.on("PUT /api/v1/deployments/digits", deploymentNamed("digits", false), { status: 201 });
      api.on("GET /api/v1/deployments/digits", (_: Asked, response: ServerResponse) => {
        looks += 1;
        if (looks === 1) return json(response, 404, { error: "not yet" });
        json(response, 200, deploymentNamed("digits", looks > 3));
      });
      api.on("GET /api/v1/deployments/digits/placements", (_: Asked, response: ServerResponse) =>
        json(response, 200, listOf(placementOn("edge-a", looks > 3 ? "ready" : "downloading"))),
      );
      const { exitCode, stderr } = await cli("apply", "-f", "-", "--wait");
      expect(exitCode).toBe(0);
      expect(stderr.split("\n").map((line) => line.replaceAll(/ +/g, " ").trim())).toEqual([
        "deployment digits created",
        "edge-a digits:1 downloading 43 % of 100 B",
        "edge-a digits:1 ready",
        "deployment digits is ready",
        "Next: skerry explain digits",
        "",
      ]);
    });

    it("ends with 2 when it cannot become ready in time, and quotes why", async () => {
      const stalled = deploymentNamed("digits", false, { unplaced: ["edge replica 1: edge-a lacks gpu=true"] });
      api.on("GET /api/v1/deployments/digits", stalled);
      api.on("PUT /api/v1/deployments/digits", stalled);
      api.on("GET /api/v1/deployments/digits/placements", listOf());
      const { exitCode, stderr } = await cli("apply", "-f", "-", "--wait", "--timeout", "3s");
      expect(exitCode).toBe(2);
      expect(stderr).toContain('error: deployment "digits" is not ready after 3 s');
      expect(stderr).toContain("why      edge replica 1: edge-a lacks gpu=true");
      expect(stderr).toContain("skerry explain digits");
    });

    it("ends at once when the version was rejected", async () => {
      const message = "digits:1 was rejected: it is no ONNX file";
      const stalled = { type: "Stalled" as const, status: "True" as const, reason: "VersionRejected", message };
      const waiting = deploymentNamed("digits", false);
      const { status } = waiting;
      const of = { ...waiting, status: { ...status, conditions: [...status.conditions, stalled] } };
      api.on("GET /api/v1/deployments/digits", of);
      api.on("PUT /api/v1/deployments/digits", of);
      api.on("GET /api/v1/deployments/digits/placements", listOf());
      const { exitCode, stderr } = await cli("apply", "-f", "-", "--wait", "--timeout", "10m");
      expect(exitCode).toBe(2);
      expect(stderr).toContain(
        'error: deployment "digits" cannot become ready\n  why      VersionRejected: digits:1 was',
      );
      expect(stderr).toContain("skerry models inspect digits:1");
    });

    it("sends nothing when one of many documents is wrong", async () => {
      const { exitCode, stderr } = await runCli(["apply", "-f", "-"], {
        env,
        stdin: `${spec}---\nname: b\nmodel: m\nversion: 1\ncolour: red\n`,
      });
      expect([exitCode, api.asked]).toEqual([1, []]);
      expect(stderr).toContain("stdin, document 2 (line 5): colour is not a known field");
    });
  });
});
