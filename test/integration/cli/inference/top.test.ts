import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { type Asked, FakeApi, json } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed } from "../support/objects.ts";

let api: FakeApi;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });

const figures = { requests: 600, ratePerS: 10, errorsPerS: 0.5, tokensPerS: 0, p50Ms: 4.2, p95Ms: 80, p99Ms: 120 };
const traffic = {
  seconds: 60,
  total: figures,
  deployments: [{ deployment: "digits", model: "digits", ...figures }],
  nodes: [{ node: "edge-b", ...figures }],
  pairs: [],
  loads: [{ node: "edge-b", cpuPct: 42, memFreeMiB: 900, inFlight: 2, ageMs: 1_000 }],
};
const digits = deploymentNamed("digits", true);
const promised = { ...digits, spec: { ...digits.spec, slo: { p95Ms: 50, hedge: false } } };

describe("skerry top", () => {
  beforeEach(() => {
    api.on("GET /api/v1/traffic", traffic);
    api.on("GET /api/v1/deployments", listOf(deploymentNamed("quiet", false), promised));
    api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a"), nodeNamed("edge-b")));
  });

  it("shows what is busiest first, and where a promise is not kept", async () => {
    const { exitCode, stdout } = await cli("top");
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        "10 requests/s, 0.5 errors/s, p95 80 ms in the last 60 s, at the replica of the control plane that answers",
        "",
        "DEPLOYMENT  READY  RATE/S  ERRORS/S     P50    P95     P99      PROMISE",
        "digits        1/1      10       0.5  4.2 ms  80 ms  120 ms  p95 ≤ 50 ms",
        "quiet         0/1       0         0       –      –       –            –",
        "",
        "NODE    STATE   CPU  MEM FREE  IN FLIGHT  RATE/S  ERRORS/S     P50    P95     P99  LOAD IS",
        "edge-b  ready  42 %   900 MiB          2      10       0.5  4.2 ms  80 ms  120 ms  1s old",
        "edge-a  ready     –         –          –       0         0       –      –       –  –",
        "",
      ].join("\n"),
    );
  });

  it("shows nodes alone, as many as are asked for", async () => {
    const { stdout } = await cli("nodes", "top", "--limit", "1");
    expect(stdout).toContain("edge-b");
    expect(stdout).not.toContain("DEPLOYMENT");
    expect(stdout).toContain("… 1 more with less to do");
    expect(api.asked.map(({ path }) => path.split("?")[0])).toEqual(["/api/v1/traffic", "/api/v1/nodes"]);
  });

  it("prints the figures as the API has them for programs", async () => {
    expect(JSON.parse((await cli("top", "-o", "json")).stdout)).toEqual(traffic);
    expect((await cli("top", "nodes", "-o", "name")).stdout).toBe("edge-b\nedge-a\n");
  });
});

describe("skerry top on a terminal", () => {
  const message = (event: string, data: unknown = {}, id?: string): string =>
    `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  const whole = (id: string, ...items: readonly unknown[]): string =>
    [message("reset"), ...items.map((item) => message("added", item)), message("bookmark", {}, id)].join("");

  /** Answers the watches of `path` with these streams, one after the other, and leaves each open. */
  function stream(path: string, ...streams: readonly string[]): ServerResponse[] {
    const open: ServerResponse[] = [];
    api.on(`GET ${path}`, (_: Asked, response: ServerResponse) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(`: heartbeat\n\n${streams[open.length] ?? ""}`);
      open.push(response);
    });
    return open;
  }
  const picturesOf = (stdout: string): readonly string[] => stdout.split("\u001b[J").slice(1);

  /** Until `seen` says so of the newest picture, then presses Ctrl-C. */
  function watch(seen: (picture: string) => boolean, size = { columns: 120, rows: 30 }): Promise<CliResult> {
    const signals = new EventEmitter();
    const onOutput = (text: string): void => {
      if (seen(picturesOf(text).at(-1) ?? "")) signals.emit("SIGINT");
    };
    return runCli(["top", "--no-color"], { env, signals, onOutput, terminal: size });
  }

  it("follows the watches, and asks for nothing but the figures that they lack", async () => {
    api.on("GET /api/v1/traffic", traffic);
    const nodes = stream("/api/v1/nodes", whole("n.1", nodeNamed("edge-a"), nodeNamed("edge-b")));
    stream("/api/v1/deployments", whole("d.1", deploymentNamed("quiet", false), promised));
    const { exitCode, stdout, stderr } = await watch((picture) => {
      if (picture.includes("edge-a  ready")) {
        nodes[0]?.write(message("modified", nodeNamed("edge-a", { state: "suspect" }), "n.2"));
        nodes[0]?.write(message("deleted", nodeNamed("edge-b"), "n.3"));
      }
      return !picture.includes("edge-b") && picture.includes("edge-a  suspect");
    });
    expect([exitCode, stderr]).toEqual([130, ""]);
    expect(picturesOf(stdout)[0]?.split("\n").slice(0, 6)).toEqual([
      "10 requests/s, 0.5 errors/s, p95 80 ms in the last 60 s, at the replica of the control plane that answers",
      "live; load and traffic every 5 s; Ctrl-C ends",
      "",
      "DEPLOYMENT  READY  RATE/S  ERRORS/S     P50    P95     P99      PROMISE",
      "digits        1/1      10       0.5  4.2 ms  80 ms  120 ms  p95 ≤ 50 ms",
      "quiet         0/1       0         0       –      –       –            –",
    ]);
    const paths = api.asked.map(({ path }) => path);
    expect(paths.filter((path) => path.includes("watch")).toSorted()).toEqual([
      "/api/v1/deployments?watch=true",
      "/api/v1/nodes?watch=true",
    ]);
    // Once, if all of this took no 5 s.
    expect(new Set(paths.filter((path) => !path.includes("watch")))).toEqual(new Set(["/api/v1/traffic?loads=true"]));
  });

  it("keeps the last table while the link is away, says since when, and goes on where the watch was", async () => {
    api.on("GET /api/v1/traffic", traffic);
    const nodes = stream(
      "/api/v1/nodes",
      whole("n.1", nodeNamed("edge-a")),
      message("modified", nodeNamed("edge-a", { state: "suspect" }), "n.2"),
    );
    stream("/api/v1/deployments", whole("d.1", promised));
    const { stdout, stderr } = await watch((picture) => {
      if (picture.includes("ready") && picture.includes("live;")) nodes[0]?.destroy();
      return picture.includes("suspect");
    });
    const away = picturesOf(stdout).find((picture) => picture.includes("no link"));
    expect(away?.split("\n")[1]?.replace(/for \d+s:/, "for 0s:")).toBe(
      `no link to ${env["SKERRY_SERVER"]} for 0s: what is below is as it was then; trying again`,
    );
    expect(away).toContain("edge-a  ready");
    expect(picturesOf(stdout).at(-1)?.split("\n")[1]).toBe("live; load and traffic every 5 s; Ctrl-C ends");
    const resumed = api.asked.filter(({ path }) => path.startsWith("/api/v1/nodes"));
    expect(resumed.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "n.1"]);
    expect(stderr).toBe("");
  });

  it("takes what a restarted control plane has for what there is", async () => {
    api.on("GET /api/v1/traffic", traffic);
    const nodes = stream(
      "/api/v1/nodes",
      whole("n.1", nodeNamed("gone"), nodeNamed("same")),
      whole("m.1", nodeNamed("new"), nodeNamed("same")),
    );
    stream("/api/v1/deployments", whole("d.1", promised));
    const { stdout } = await watch((picture) => {
      if (picture.includes("gone")) nodes[0]?.destroy();
      return picture.includes("new ");
    });
    expect(picturesOf(stdout).at(-1)).not.toContain("gone");
  });

  it("ends when the server refuses the figures later, and when nobody answers at first", async () => {
    stream("/api/v1/nodes", whole("n.1", nodeNamed("edge-a")));
    stream("/api/v1/deployments", whole("d.1", promised));
    api.problem("GET /api/v1/traffic", 403, "FORBIDDEN", "no");
    expect((await watch(() => false)).exitCode).toBe(4);
    await api.stop();
    expect((await watch(() => false)).exitCode).toBe(1);
    await api.start();
  });

  it("shows the head of a table that is too long for the terminal", async () => {
    api.on("GET /api/v1/traffic", (_: Asked, response: ServerResponse) => json(response, 200, traffic));
    stream("/api/v1/nodes", whole("n.1", nodeNamed("edge-a"), nodeNamed("edge-b")));
    stream("/api/v1/deployments", whole("d.1", promised));
    const { stdout } = await watch((picture) => picture !== "", { columns: 60, rows: 8 });
    const lines = (picturesOf(stdout)[0] ?? "").split("\n");
    expect(lines).toHaveLength(8);
    expect(lines.every((line) => line.length < 60)).toBe(true);
    expect(lines[1]).toContain("live;");
    expect(lines.at(-2)).toMatch(/^… \d+ more lines$/);
  });
});
