import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";

const LEAKY = `
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { it } from "@jest/globals";

it("opens", () => {
  createServer().listen(0);
  setInterval(() => {}, 1_000);
  spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
});
it("fails", () => { throw new Error("its own failure"); });
`;

const TIDY = `
import { once } from "node:events";
import { createServer } from "node:http";
import { it } from "@jest/globals";

it("closes", async () => {
  const server = createServer((_, response) => response.end()).listen(0);
  await once(server, "listening");
  await fetch("http://127.0.0.1:" + server.address().port);
  clearTimeout(setTimeout(() => {}, 1_000));
  server.close();
});
`;

describe("the test environment", () => {
  const root = join(import.meta.dirname, "../../..");
  const tree = mkdtempSync(join(tmpdir(), "skerry-leaks-"));

  beforeAll(() => {
    cpSync(join(root, "test/support"), join(tree, "test/support"), {
      recursive: true,
      filter: (path) => !path.endsWith(".test.ts"),
    });
    for (const file of ["jest.config.mjs", "package.json"]) cpSync(join(root, file), join(tree, file));
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    writeFileSync(join(tree, "test/leaky.test.ts"), LEAKY);
    writeFileSync(join(tree, "test/tidy.test.ts"), TIDY);
  });

  afterAll(() => rmSync(tree, { recursive: true }));

  const runJest = (file: string): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, ["--experimental-vm-modules", "node_modules/jest/bin/jest.js", file], {
      cwd: tree,
      encoding: "utf8",
    });

  it("fails a file that leaves something open, beside the file's own failures", () => {
    const { status, stdout, stderr } = runJest("leaky");
    expect(stderr).toContain(
      "left open: 1 × child process, 1 × listening TCP server, 1 × pipe or Unix socket, 1 × timer.",
    );
    expect(stderr).toContain("its own failure");
    expect(stdout).toMatch(/^1 passed, 2 failed\n$/);
    expect(status).toBe(1);
  });

  it("passes a file that closes what it opened", () => {
    const { status, stdout } = runJest("tidy");
    expect(stdout).toBe("1 passed, 0 failed\n");
    expect(status).toBe(0);
  });
});
