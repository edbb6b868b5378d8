import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { claimPorts } from "../../../../cli/dev/claim-ports.ts";
import { claimDirectory } from "../../../../cli/dev/data-directory.ts";
import { readSettings } from "../../../../cli/dev/settings.ts";
import { Child } from "../../../../cli/processes/child.ts";
import { lastLines } from "../../../../cli/processes/log-file.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { until } from "../../../support/processes/skerry-process.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skerry-dev-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("the data folder of `skerry dev`", () => {
  const path = (): string => join(folder, ".skerry");
  const claim = (fresh = false) => claimDirectory(path(), { beforeWipe: fresh ? async () => {} : null });

  it("is made, remembered and used again", async () => {
    const first = await claim();
    expect([first.isUsed, first.wasKilled]).toEqual([false, false]);
    await writeFile(join(path(), "admin.key"), "sk_x");
    await first.release();
    const second = await claim();
    expect([second.isUsed, second.wasKilled]).toEqual([true, false]);
    await second.release();
  });

  it("belongs to one at a time", async () => {
    const first = await claim();
    await first.announce("http://127.0.0.1:7070");
    await expect(claim()).rejects.toThrow("a `skerry dev` uses");
    await first.release();
  });

  it("is taken over from one that was killed", async () => {
    const first = await claim();
    await first.release();
    const gone = spawn(process.execPath, ["-e", ""]);
    await once(gone, "exit");
    await writeFile(
      join(path(), "running.json"),
      JSON.stringify({ pid: gone.pid, server: "x", startedAt: "y", start: "1" }),
    );
    const second = await claim();
    expect(second.wasKilled).toBe(true);
    await second.release();
  });

  it("is taken over when the number of the killed one belongs to another program by now", async () => {
    const first = await claim();
    await first.release();
    await writeFile(
      join(path(), "running.json"),
      JSON.stringify({ pid: process.pid, server: "x", startedAt: "y", start: "1" }),
    );
    const second = await claim();
    expect(second.wasKilled).toBe(true);
    await second.release();
  });

  it("is emptied by --fresh, after what still uses it has been stopped", async () => {
    await (await claim()).release();
    await writeFile(join(path(), "admin.key"), "sk_x");
    let before: readonly string[] = [];
    const second = await claimDirectory(path(), {
      beforeWipe: async (at) => {
        before = await readdir(at);
      },
    });
    expect([before.includes("admin.key"), (await readdir(path())).includes("admin.key"), second.isUsed]).toEqual([
      true,
      false,
      false,
    ]);
    await second.release();
  });

  it("is never a folder that somebody else made, --fresh or not", async () => {
    await writeFile(join(folder, "thesis.tex"), "precious");
    await expect(claimDirectory(folder, { beforeWipe: async () => {} })).rejects.toThrow(
      "was not made by `skerry dev`",
    );
    expect(await readdir(folder)).toEqual(["thesis.tex"]);
  });
});

describe("ports", () => {
  const wait = { forLeftovers: false, clock: systemClock, signal: new AbortController().signal };

  it("that are taken are all named, each with what moves it", async () => {
    const servers = [createServer(), createServer()];
    const ports = [];
    for (const server of servers) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      ports.push(typeof address === "object" && address !== null ? address.port : 0);
    }
    const settings = readSettings({ port: ports[0] ?? 0, nodePorts: `0,${ports[1]},0` }, {}, folder);
    const failure: unknown = await claimPorts(settings, wait).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      message: "2 ports are taken by other programs",
      parts: {
        why: [
          `127.0.0.1:${ports[0]}, wanted for the control plane; --port or SKERRY_PORT moves it`,
          `127.0.0.1:${ports[1]}, wanted for edge-b; --node-ports or SKERRY_NODE_PORTS moves it`,
        ],
      },
    });
    for (const server of servers) server.close();
  });

  it("of 0 become free ones", async () => {
    const { port, nodes } = await claimPorts(readSettings({ port: 0, nodePorts: "0,0,0" }, {}, folder), wait);
    expect(new Set([port, ...nodes.map((node) => node.port)]).size).toBe(4);
  });
});

describe("a started program", () => {
  async function start(source: string): Promise<Child> {
    const script = join(folder, "program.mjs");
    await writeFile(script, source);
    return new Child({ name: "program", script, env: process.env, logFile: join(folder, "program.log") });
  }

  it("writes its log, and ends when it is asked to", async () => {
    const child = await start(
      "console.log('up'); process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000)",
    );
    await until("it is up", () => lastLines(join(folder, "program.log"), 5).includes("up"));
    expect(await child.stop(50_000, systemClock)).toEqual({ how: "exit code 3", code: 3 });
  });

  it("is killed when it does not end in time", async () => {
    const child = await start("console.log('up'); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
    await until("it is up", () => lastLines(join(folder, "program.log"), 5).includes("up"));
    expect((await child.stop(100, systemClock)).how).toBe("signal SIGKILL");
  });

  it("does not hear the terminal's Ctrl-C: it leads a session of its own", async () => {
    const child = await start("setInterval(() => {}, 1000)");
    const status = await readFile(`/proc/${child.pid}/stat`, "utf8");
    expect(status.replace(/^.*\) /s, "").split(" ")[3]).toBe(String(child.pid));
    await child.stop(1000, systemClock);
  });

  it("says that it could not be started", async () => {
    const child = new Child({
      name: "x",
      script: join(folder, "missing.mjs"),
      env: process.env,
      logFile: join(folder, "x.log"),
    });
    expect((await child.ended).how).toBe("exit code 1");
    expect(lastLines(join(folder, "x.log"), 20).join("\n")).toContain("Cannot find module");
  });
});
