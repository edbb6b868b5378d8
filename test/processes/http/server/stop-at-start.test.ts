import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { eventually } from "../../../support/eventually.ts";

const MAIN = path.resolve(import.meta.dirname, "../../../../control-plane/main.ts");
/** Nobody listens there. */
const NO_DATABASE = "postgresql://skerry@127.0.0.1:1/skerry";
/** A start takes 2 s of a processor, and ten times as long where others want it too. */
const START_MS = 60_000;
/** Much longer than an end takes, and much shorter than for ever. */
const LIMIT_MS = 30_000;

let dataDir = "";
let child: ChildProcess | undefined;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "skerry-start-"));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  await rm(dataDir, { recursive: true, force: true });
});

/** A control plane whose start waits for PostgreSQL. */
async function aWaitingStart(): Promise<ChildProcess> {
  const env = {
    ...process.env,
    DATABASE_URL: NO_DATABASE,
    SKERRY_PORT: "0",
    SKERRY_DATA_DIR: dataDir,
    SKERRY_EXIT_WITH_PARENT: "1",
  };
  const started = spawn(process.execPath, [MAIN], { env, stdio: ["pipe", "ignore", "pipe"] });
  child = started;
  let log = "";
  started.stderr.on("data", (bytes: Buffer) => (log += bytes.toString()));
  await eventually("the start waits", () => log.includes("the start waits for it"), START_MS);
  return started;
}

const endOf = (started: ChildProcess): Promise<unknown[]> =>
  once(started, "exit", { signal: AbortSignal.timeout(LIMIT_MS) });

describe("a control plane that waits for its database", () => {
  it("ends when its parent goes away", async () => {
    const started = await aWaitingStart();
    started.stdin?.end();
    expect(await endOf(started)).toEqual([0, null]);
  }, 120_000);

  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends in good order at %s",
    async (signal) => {
      const started = await aWaitingStart();
      started.kill(signal);
      expect(await endOf(started)).toEqual([0, null]);
    },
    120_000,
  );
});
