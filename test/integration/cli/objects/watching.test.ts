import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed, placementOn } from "../support/objects.ts";

let api: FakeApi;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());

const message = (event: string, data: unknown = {}, id?: string): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
const whole = (id: string, ...items: readonly unknown[]): string =>
  [message("reset"), ...items.map((item) => message("added", item)), message("bookmark", {}, id)].join("");

/** Answers the watches of `path` with these streams, one after the other. All but the last are cut at their end. */
function stream(path: string, ...streams: readonly string[]): void {
  let count = 0;
  api.on(`GET ${path}`, (_: Asked, response: ServerResponse) => {
    const text = streams[count] ?? "";
    count += 1;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`retry: 2000\n\n: heartbeat\n\n${text}`);
    if (count < streams.length) response.end();
  });
}

/** Runs until `enough` lines are printed, then presses Ctrl-C. */
function cli(enough: number, ...args: readonly string[]): Promise<CliResult> {
  const signals = new EventEmitter();
  const onOutput = (text: string): void => {
    if (text.split("\n").length > enough) signals.emit("SIGINT");
  };
  return runCli(args, { env, signals, onOutput });
}

const eventsOf = (stdout: string): readonly string[] =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { event, item } = JSON.parse(line);
      return `${event} ${item.name}`;
    });
const resumedAt = (): readonly unknown[] => api.asked.map(({ headers }) => headers["last-event-id"]);

describe("ls -w", () => {
  it("prints the list, and a line for each change under the same headers", async () => {
    const text = [
      whole("r.2", nodeNamed("edge-b"), nodeNamed("edge-a")),
      message("modified", nodeNamed("edge-a", { state: "suspect" }), "r.3"),
      message("added", nodeNamed("a-node-with-a-long-name"), "r.4"),
      message("deleted", nodeNamed("edge-b"), "r.5"),
    ];
    stream("/api/v1/nodes", text.join(""));
    const { exitCode, stdout } = await cli(6, "nodes", "ls", "-w", "-l", "site=harbour");
    expect(exitCode).toBe(130);
    expect(stdout.split("\n").map((line) => line.replace(/ {2}2s .*/, ""))).toEqual([
      "EVENT  NAME    KIND  SITE     STATE  SEEN  RTT  CPU  HOLDS",
      "added  edge-a  edge  harbour  ready",
      "added  edge-b  edge  harbour  ready",
      "modified  edge-a  edge  harbour  suspect",
      "added     a-node-with-a-long-name  edge  harbour  ready  ",
      "deleted   edge-b                   edge  harbour  ready  ",
      "",
    ]);
    const { searchParams } = new URL(api.asked[0]?.path ?? "", "http://x");
    expect([searchParams.get("watch"), searchParams.get("labelSelector")]).toEqual(["true", "site=harbour"]);
  });

  it("goes on after the last change when the connection breaks", async () => {
    stream(
      "/api/v1/deployments",
      whole("r.1", deploymentNamed("digits", false)),
      message("modified", deploymentNamed("digits", true), "r.2"),
    );
    const { stdout } = await cli(2, "deployments", "ls", "-w", "-o", "json");
    expect(eventsOf(stdout)).toEqual(["added digits", "modified digits"]);
    expect(resumedAt()).toEqual([undefined, "r.1"]);
  });

  it("prints only what is different when the stream begins anew", async () => {
    const node = (name: string, age: number, cordoned = false) => nodeNamed(name, { lastSeenAgeMs: age, cordoned });
    stream(
      "/api/v1/nodes",
      whole("r.1", node("same", 1), node("changed", 1), node("gone", 1)),
      whole("s.9", node("same", 2), node("changed", 2, true), node("new", 2)),
    );
    const { stdout } = await cli(6, "nodes", "ls", "-w", "-o", "json");
    expect(eventsOf(stdout)).toEqual([
      "added changed",
      "added gone",
      "added same",
      "modified changed",
      "deleted gone",
      "added new",
    ]);
  });

  it("begins anew when the connection breaks in the middle of the list", async () => {
    const cut = message("reset") + message("added", nodeNamed("gone"));
    stream("/api/v1/nodes", cut, whole("r.1", nodeNamed("edge-a")));
    const { stdout, stderr } = await cli(1, "nodes", "ls", "-w", "-o", "name");
    expect([stdout, resumedAt()]).toEqual(["edge-a\n", [undefined, undefined]]);
    expect(stderr).toContain("The stream of nodes broke; trying again.");
  });

  it("prints what the server sent, unknown fields and large numbers included", async () => {
    const raw = JSON.stringify({ ...nodeNamed("edge-a"), newField: 0 }).replace(/0}$/, "9007199254740993}");
    stream(
      "/api/v1/nodes",
      `event: reset\ndata: {}\n\nevent: added\ndata: ${raw}\n\n${message("bookmark", {}, "r.1")}`,
    );
    const { stdout } = await cli(1, "nodes", "ls", "-w", "-o", "json");
    expect(stdout).toBe(`{"event":"added","item":${raw}}\n`);
  });

  it("ends when the server refuses the stream, and takes no page", async () => {
    api.problem("GET /api/v1/nodes", 403, "FORBIDDEN", "no");
    expect((await runCli(["nodes", "ls", "-w"], { env })).exitCode).toBe(4);
    expect((await runCli(["nodes", "ls", "-w", "--limit", "3"], { env })).exitCode).toBe(64);
  });
});

describe("-w of one object", () => {
  it.each([
    ["deployments", deploymentNamed("digits", false), deploymentNamed("digits", true), "digits:1 1 Ready"],
    ["nodes", nodeNamed("edge-a"), nodeNamed("edge-a", { state: "suspect" }), "edge harbour suspect"],
  ] as const)("follows one of %s alone by the watch of the list", async (kind, before, after, seen) => {
    const path = `/api/v1/${kind}`;
    api.on(`GET ${path}/${before.name}`, before);
    stream(path, whole("r.1", before) + message("modified", after, "r.2"));
    const { exitCode, stdout } = await cli(3, kind, "get", before.name, "-w");
    expect(exitCode).toBe(130);
    expect(stdout.replaceAll(/ +/g, " ")).toContain(`modified ${before.name} ${seen}`);
    const { searchParams } = new URL(api.asked.at(-1)?.path ?? "", "http://x");
    expect([searchParams.get("watch"), searchParams.get("labelSelector")]).toEqual(["true", `name=${before.name}`]);
  });

  it("ends where there is no such object: exit code 5", async () => {
    expect((await runCli(["deployments", "get", "none", "-w"], { env })).exitCode).toBe(5);
    expect((await runCli(["nodes", "get", "none", "-w"], { env })).exitCode).toBe(5);
  });

  it("follows where a version runs, two placements on one node too", async () => {
    const path = "/api/v1/models/digits/versions/1/placements";
    const other = { ...placementOn("edge-a", "ready"), id: "p-other", deployment: "other" };
    stream(
      path,
      whole("r.1", placementOn("edge-a", "downloading"), other) +
        message("modified", placementOn("edge-a", "ready"), "r.2") +
        message("deleted", other, "r.3"),
    );
    const { stdout } = await cli(5, "models", "where", "digits:1", "-w");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 5).join(" | "))).toEqual([
      "EVENT | NODE | KIND | MODEL | STATE",
      "added | edge-a | edge | digits:1 | downloading 43 %",
      "added | edge-a | edge | digits:1 | ready",
      "modified | edge-a | edge | digits:1 | ready",
      "deleted | edge-a | edge | digits:1 | ready",
      "",
    ]);
    const signals = new EventEmitter();
    const onOutput = (text: string): void => {
      if (text.includes("1 row,")) signals.emit("SIGINT");
    };
    const run = { env, signals, onOutput, terminal: { columns: 80, rows: 20 } };
    stream(path, whole("r.1", placementOn("edge-a", "downloading"), other) + message("deleted", other, "r.2"));
    expect((await runCli(["models", "where", "digits:1", "-w", "--no-color"], run)).stdout).toContain("2 rows, live");
  });
});

describe("ls -w on a terminal", () => {
  /** Of a table, with no row older than the second in which it came, however long that took. */
  const linesOf = (picture = ""): readonly string[] => picture.replaceAll(/\d+s ago/g, "0s ago").split("\n");

  it("is a table that redraws itself, of what changes are reported of", async () => {
    stream(
      "/api/v1/nodes",
      whole("r.1", nodeNamed("edge-b"), nodeNamed("edge-a")) +
        message("modified", nodeNamed("edge-a", { state: "suspect" }), "r.2") +
        message("deleted", nodeNamed("edge-b"), "r.3"),
    );
    const signals = new EventEmitter();
    const onOutput = (text: string): void => {
      if (text.includes("1 row,")) signals.emit("SIGINT");
    };
    const run = { env, signals, onOutput, terminal: { columns: 80, rows: 20 } };
    const { exitCode, stdout } = await runCli(["nodes", "ls", "-w", "--no-color"], run);
    expect(exitCode).toBe(130);
    const pictures = stdout.split("\u001b[J").slice(1);
    expect(linesOf(pictures[0]).slice(0, 4)).toEqual([
      "2 rows, live; Ctrl-C ends",
      "NAME    KIND  SITE     STATE  HOLDS  CHANGED",
      "edge-a  edge  harbour  ready  –      0s ago",
      "edge-b  edge  harbour  ready  –      0s ago",
    ]);
    expect(linesOf(pictures.at(-1)).slice(0, 3)).toEqual([
      "1 row, live; Ctrl-C ends",
      "NAME    KIND  SITE     STATE    HOLDS  CHANGED",
      "edge-a  edge  harbour  suspect  –      0s ago",
    ]);
  });

  const placements = "/api/v1/models/digits/versions/1/placements";
  it.each([
    ["nodes ls", "/api/v1/nodes", nodeNamed("edge-a"), nodeNamed("edge-a", { state: "suspect" }), "suspect"],
    ["nodes get edge-a", "/api/v1/nodes", nodeNamed("edge-a"), nodeNamed("edge-a", { cordoned: true }), "cordoned"],
    ["deployments ls", "/api/v1/deployments", deploymentNamed("d", false), deploymentNamed("d", true), "Ready"],
    ["deployments get d", "/api/v1/deployments", deploymentNamed("d", false), deploymentNamed("d", true), "Ready"],
    ["models where digits:1", placements, placementOn("a", "downloading"), placementOn("a", "ready"), "ready"],
  ])(
    "of %s stays while the link is away, says so in one line, and goes on by itself",
    async (command: string, path: string, before: object, after: object, seen: string) => {
      api.on(`GET ${path}/${command.split(" ")[2]}`, before);
      const open: ServerResponse[] = [];
      api.on(`GET ${path}`, (_: Asked, response: ServerResponse) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write(open.length === 0 ? whole("r.1", before) : ": heartbeat\n\n");
        open.push(response);
      });
      const signals = new EventEmitter();
      const pictures = (text: string): readonly string[] => text.split("\u001b[J").slice(1);
      const onOutput = (text: string): void => {
        const picture = pictures(text).at(-1) ?? "";
        if (picture.startsWith("1 row, live") && open.length === 1) open[0]?.destroy();
        if (picture.startsWith("1 row, live") && open.length === 2) open[1]?.write(message("modified", after, "r.2"));
        if (open.length === 2 && picture.includes(seen)) signals.emit("SIGINT");
      };
      const run = { env, signals, onOutput, terminal: { columns: 150, rows: 4 } };
      const { exitCode, stdout, stderr } = await runCli([...command.split(" "), "-w", "--no-color"], run);
      expect([exitCode, stderr]).toEqual([130, ""]);
      const away = pictures(stdout).find((picture) => picture.startsWith("no link"));
      const live = pictures(stdout)[pictures(stdout).indexOf(away ?? "") - 1];
      const [said, ...rows] = linesOf(away);
      expect(said?.replace(/for \d+s/, "for 0s")).toBe(
        `no link to ${env["SKERRY_SERVER"]} for 0s: what is below is as it was then; trying again`,
      );
      expect(rows).toEqual(linesOf(live).slice(1));
      expect(resumedAt().slice(-2)).toEqual([undefined, "r.1"]);
    },
  );
});

describe("skerry logs", () => {
  const line = (id: string, type: string, reason: string, message_: string): object => ({
    id,
    at: `2026-01-01T00:00:0${id}.123Z`,
    type,
    reason,
    object: "node/edge-a",
    message: message_,
  });

  it("prints what a node reported, oldest first, and then what comes", async () => {
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"));
    api.on("GET /api/v1/events", (asked: Asked, response: ServerResponse) => {
      if (asked.headers.accept?.includes("event-stream") !== true)
        return json(
          response,
          200,
          listOf(
            line("2", "Warning", "NodeLog", "the host of digits:1 crashed"),
            line("1", "Normal", "NodeReady", "edge-a is ready"),
          ),
        );
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(`id: 3\ndata: ${JSON.stringify(line("3", "Normal", "NodeLog", "it runs again"))}\n\n`);
    });
    const { exitCode, stdout } = await cli(3, "logs", "edge-a", "-f");
    expect(exitCode).toBe(130);
    expect(stdout).toBe(
      [
        "2026-01-01 00:00:01Z  info  NodeReady  edge-a is ready",
        "2026-01-01 00:00:02Z  warn  the host of digits:1 crashed",
        "2026-01-01 00:00:03Z  info  it runs again",
        "",
      ].join("\n"),
    );
    expect(new URL(api.asked.at(-1)?.path ?? "", "http://x").searchParams.get("object")).toBe("node/edge-a");
    expect(api.asked.at(-1)?.headers["last-event-id"]).toBe("2");
  });

  it("finds the newest warnings behind whatever else happened since", async () => {
    const events = [
      line("4", "Normal", "NodeReady", "edge-a is ready"),
      line("3", "Warning", "NodeLog", "the host of digits:1 crashed again"),
      line("2", "Normal", "NodeReady", "edge-a is ready"),
      line("1", "Warning", "NodeLog", "the host of digits:1 crashed"),
    ];
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"));
    api.on("GET /api/v1/events", ({ path: asked }: Asked, response: ServerResponse) =>
      json(response, 200, listOf(...events.slice(0, Number(new URL(asked, "http://x").searchParams.get("limit"))))),
    );
    const { stdout } = await runCli(["logs", "edge-a", "--warnings", "--limit", "1"], { env });
    expect(stdout).toBe("2026-01-01 00:00:03Z  warn  the host of digits:1 crashed again\n");
  });

  it("prints warnings alone, and says when there is nothing", async () => {
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"));
    api.on("GET /api/v1/events", listOf(line("1", "Normal", "NodeReady", "edge-a is ready")));
    const none = await runCli(["logs", "edge-a", "--warnings"], { env });
    expect([none.stdout, none.stderr]).toEqual(["", "edge-a has reported no warning yet.\n"]);
    api.on("GET /api/v1/events", listOf());
    expect((await runCli(["logs", "edge-a"], { env })).stderr).toBe("edge-a has reported nothing yet.\n");
  });
});
