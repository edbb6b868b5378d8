import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { gateSpec } from "../../../../shared/api/v1/rollouts/rollout-spec.ts";
import type { Rollout } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { listOf } from "../support/objects.ts";

const PATH = "/api/v1/deployments/digits/rollout";
const AT = "2026-01-01T00:00:00.000Z";

const aRollout = (over: Partial<Rollout> = {}): Rollout => ({
  deployment: "digits",
  number: 3,
  model: "digits",
  from: 1,
  to: 2,
  declared: 2,
  strategy: "canary",
  waves: [{ percent: 10 }, { percent: 100 }],
  bakeSeconds: 60,
  gate: gateSpec.parse({}),
  freeze: [],
  approval: [],
  approvals: [],
  waitsFor: null,
  phase: "baking",
  resumes: null,
  wave: 1,
  share: 10,
  nodes: [
    {
      nodeId: "n-b",
      node: "edge-b",
      wave: 1,
      state: "failed",
      since: AT,
      why: "digits:2 failed on edge-b: LOAD_FAILED",
    },
    { nodeId: "n-a", node: "edge-a", wave: 1, state: "switched", since: AT, why: null },
  ],
  current: true,
  reason: "wave 1 of 2: digits:2 answers 10 % of the requests",
  by: "skerry",
  findings: [],
  foundAt: null,
  passed: [],
  notes: [{ at: AT, who: "skerry", what: "wave 1 of 2 begins (10 %)" }],
  beganAt: AT,
  phaseAt: AT,
  endedAt: null,
  ...over,
});

describe("skerry rollout", () => {
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(["rollout", ...args], { env });

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
  });
  afterEach(() => api.stop());

  it.each([
    ["promote", "promoted", 0],
    ["resume", "rolled-back", 2],
    ["abort", "rolled-back", 0],
  ] as const)("waits after %s until the rollout has ended as %s: exit code %i", async (action, phase, code) => {
    let looks = 0;
    api.on(`POST ${PATH}/${action}`, aRollout());
    api.on(`GET ${PATH}`, (_: Asked, response: ServerResponse) => {
      looks += 1;
      json(response, 200, looks === 1 ? aRollout() : aRollout({ phase, endedAt: AT, reason: `it is ${phase}` }));
    });
    const { exitCode, stderr } = await cli(action, "digits", "--wait");
    expect([exitCode, looks]).toEqual([code, 2]);
    expect(stderr).toContain(`it is ${phase}`);
  });

  it("goes on waiting while the control plane has no answer", async () => {
    let looks = 0;
    api.on(`POST ${PATH}/promote`, aRollout());
    api.on(`GET ${PATH}`, (_: Asked, response: ServerResponse) => {
      looks += 1;
      if (looks === 2)
        return json(response, 503, { status: 503, code: "DATABASE_UNAVAILABLE", detail: "no answer within 2000 ms" });
      json(response, 200, looks === 1 ? aRollout() : aRollout({ phase: "promoted", endedAt: AT }));
    });
    const { exitCode } = await cli("promote", "digits", "--wait");
    expect([exitCode, looks]).toEqual([0, 3]);
  });

  it("says where a rollout is that does not end in time", async () => {
    api.on(`POST ${PATH}/promote`, aRollout());
    api.on(`GET ${PATH}`, aRollout());
    const { exitCode, stderr } = await cli("promote", "digits", "--wait", "--timeout", "600ms");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("it is baking: wave 1 of 2: digits:2 answers 10 % of the requests");
  });

  it("shows phase, nodes and what happened", async () => {
    api.on(`GET ${PATH}`, aRollout());
    const { exitCode, stdout } = await cli("status", "digits");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Versions +digits:1 → 2/);
    expect(stdout).toMatch(/Phase +baking for/);
    expect(stdout).toMatch(/edge-a +1 +switched/);
    expect(stdout).toMatch(/edge-b +1 +failed .*digits:2 failed on edge-b: LOAD_FAILED/);
    expect(stdout).toContain("wave 1 of 2 begins (10 %)");
  });

  it.each([
    ["promoted", 0],
    ["rolled-back", 2],
    ["superseded", 2],
  ] as const)("follows a rollout until it is %s: exit code %i", async (phase, expected) => {
    const ended = aRollout({ phase, reason: "it has ended" });
    const asked: (string | null)[] = [];
    api.on(`GET ${PATH}`, ({ path }: Asked, response: ServerResponse) => {
      const watch = new URL(path, "http://x").searchParams.get("watch");
      asked.push(watch);
      if (watch === null) return json(response, 200, ended);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      const message = (event: string, data: object = {}): string =>
        `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      response.write(
        message("reset") + message("added", aRollout()) + message("bookmark") + message("modified", ended),
      );
    });
    const { exitCode, stderr } = await cli("status", "digits", "-w");
    expect([exitCode, asked]).toEqual([expected, ["true", null]]);
    expect(stderr).toContain("baking  wave 1 of 2: digits:2 answers 10 % of the requests");
    expect(stderr).toContain(`${phase}  it has ended`);
  });

  it("shows what a rollout waits for, and who has approved why", async () => {
    const sentence = "digits:2 waits for approval before it takes over";
    const waitsFor = { what: "approval", stage: "promote", since: AT, sentence } as const;
    const approvals = [{ stage: "start", who: "ana", at: AT, why: "tested" } as const];
    api.on(`GET ${PATH}`, aRollout({ waitsFor, approvals }));
    const { stdout } = await cli("status", "digits");
    expect(stdout).toMatch(/Waits +digits:2 waits for approval before it takes over, for \d/);
    expect(stdout).toMatch(/Approved +start by ana: tested/);
  });

  it("shows what the gate found of each wave that has passed", async () => {
    const sentence = "0 of 400 requests of the new version failed";
    const findings = [{ check: "errors", result: "pass", sentence } as const];
    const passed = [
      { wave: 1, at: AT, findings },
      { wave: 2, at: AT, findings: [] },
    ];
    api.on(`GET ${PATH}`, aRollout({ passed }));
    const { stdout } = await cli("status", "digits");
    expect(stdout).toMatch(new RegExp(`Passed +wave 1, \\d+\\S* ago: ${sentence}\n +wave 2, \\d+\\S* ago\n`));
  });

  it("sends why an action is done", async () => {
    const bodies: unknown[] = [];
    api.on(`POST ${PATH}/approve`, (asked: Asked, response: ServerResponse) => {
      bodies.push(JSON.parse(asked.body.toString()));
      json(response, 200, aRollout());
    });
    expect((await cli("approve", "digits", "--why", "the night shift is informed")).exitCode).toBe(0);
    expect((await cli("approve", "digits")).exitCode).toBe(0);
    expect(bodies).toEqual([{ why: "the night shift is informed" }, {}]);
  });

  it.each(["pause", "resume", "approve", "promote", "abort", "undo"])(
    "asks the control plane to %s, and says what came of it",
    async (action) => {
      api.on(`POST ${PATH}/${action}`, aRollout({ phase: "paused", reason: `ana did ${action}` }));
      const { exitCode, stderr } = await cli(action, "digits");
      expect([exitCode, stderr]).toEqual([
        0,
        `ana did ${action}; the rollout is paused\nNext: skerry rollout status digits -w\n`,
      ]);
    },
  );

  it("says why an action cannot be done: exit code 6", async () => {
    api.problem(
      `POST ${PATH}/promote`,
      409,
      "CONFLICT",
      "the rollout to digits:2 is promoted: there is nothing to promote",
    );
    const { exitCode, stderr } = await cli("promote", "digits");
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining("there is nothing to promote")]);
  });

  it("lists the rollouts of a deployment", async () => {
    api.on(`GET ${PATH}/history`, listOf(aRollout(), aRollout({ number: 2, phase: "rolled-back" })));
    const { stdout } = await cli("history", "digits");
    expect(stdout).toMatch(/3 +digits:1 → 2 +canary +baking +1\/2 +skerry/);
    expect(stdout).toMatch(/2 +digits:1 → 2 +canary +rolled-back/);
  });
});
