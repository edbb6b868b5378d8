import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureDirectory, freePort, SkerryProcess } from "../../support/processes/skerry-process.ts";

let directory: string;
let ports: readonly number[];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-newcomer-"));
  ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const dev = (...args: readonly string[]): SkerryProcess => {
  const [port, ...nodePorts] = ports;
  return new SkerryProcess("cli/main.ts", {
    args: [
      "dev",
      "--dir",
      path.join(directory, "data"),
      "--port",
      String(port),
      "--node-ports",
      nodePorts.join(","),
      ...args,
    ],
    env: { SKERRY_EXIT_WITH_PARENT: "0" },
    log: path.join(directory, "dev.log"),
  });
};

/** Rows of the table: index, answer, truth, node, milliseconds, why. */
const rowsOf = (output: string): readonly string[] =>
  output.split("\n").filter((line) => /^\s*\d+\s+\d\s+\d\s.*(edge-[ab]|cloud-a)\s/.test(line));

function occupy(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, "127.0.0.1", () => resolve(server));
  });
}

describe("skerry dev --once", () => {
  it("starts everything, classifies at least ten real digits, says why, and exits 0", async () => {
    const first = dev("--once");
    expect([await first.exited, first.output]).toEqual([0, expect.any(String)]);
    expect(rowsOf(first.output).length).toBeGreaterThanOrEqual(10);
    expect(first.output).toMatch(/digits:1 → (edge|cloud)-/);
    const mode = (await stat(path.join(directory, "data", "admin.key"))).mode & 0o777;
    expect(mode).toBe(0o600);
  }, 180_000);

  it("finds its data again at the second start, and publishes nothing twice", async () => {
    const second = dev("--once");
    expect(await second.exited).toBe(0);
    expect(second.output).toMatch(/found digits:1/);
    expect(rowsOf(second.output).length).toBeGreaterThanOrEqual(10);
  }, 180_000);

  it("wipes its data with --fresh, and nothing that is not its own", async () => {
    const marker = await ensureDirectory(path.join(directory, "not-ours"));
    const fresh = dev("--once", "--fresh");
    expect(await fresh.exited).toBe(0);
    expect(fresh.output).toMatch(/published digits:1/);
    expect(await readdir(path.dirname(marker))).toContain("not-ours");
  }, 180_000);

  it("names a taken port and the way out before it starts anything", async () => {
    const [port = 0] = ports;
    const server = await occupy(port);
    try {
      const refused = dev("--once");
      expect(await refused.exited).not.toBe(0);
      expect(refused.output).toContain(String(port));
      expect(refused.output).toMatch(/--port|SKERRY_PORT/);
    } finally {
      server.close();
    }
  }, 120_000);
});
