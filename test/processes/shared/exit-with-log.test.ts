import { afterEach, describe, expect, it } from "@jest/globals";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { eventually } from "../../support/eventually.ts";

const MODULE = path.resolve(import.meta.dirname, "../../../shared/base/logging/exit-with-log.ts");
/** Longer than the second that last lines may take, and much shorter than for ever. */
const LIMIT_MS = 30_000;

/**
 * A process with a log like ours. It tells on stdout when it is up, and ends at SIGTERM with two lines: while the first is
 * being written, the second waits.
 */
const program = (before: string): string => `
  import { pino } from "pino";
  import { exitWithLog, LOG_BACKLOG_BYTES } from ${JSON.stringify(MODULE)};
  const log = pino.destination({ dest: 2, maxLength: LOG_BACKLOG_BYTES });
  const exit = exitWithLog(log);
  const logger = pino({ base: null }, log);
  process.on("SIGTERM", () => { logger.info("a line"); logger.info("the last line"); exit(7); });
  process.on("uncaughtException", (err) => { logger.error({ err }, "cannot go on"); exit(1); });
  process.on("SIGUSR2", () => { logger.info("a line"); logger.info("about to throw"); throw new Error("boom"); });
  process.stdin.resume();
  ${before}
  process.stdout.write("up");
`;

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

async function start(before = "", log: "pipe" | number = "pipe"): Promise<ChildProcess> {
  const args = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", program(before)];
  child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", log] });
  await once(present(child.stdout), "data");
  return child;
}

function present<Stream>(stream: Stream | null): Stream {
  if (stream === null) throw new Error("the child has no such stream");
  return stream;
}

/** What came out of a stream so far. */
function read(stream: Readable | null): () => string {
  let text = "";
  present(stream).on("data", (bytes: Buffer) => (text += bytes.toString()));
  return () => text.trimEnd();
}

const messageOf = (line: string): unknown => (JSON.parse(line) as { msg: unknown }).msg;

/** The child's exit code. */
async function endOf(process: ChildProcess): Promise<number> {
  const [code] = (await once(process, "exit", { signal: AbortSignal.timeout(LIMIT_MS) })) as [number];
  return code;
}

describe("a process that logs", () => {
  it("writes its last line before it ends", async () => {
    const process = await start();
    const log = read(process.stderr);
    process.kill("SIGTERM");
    const closed = once(process, "close");
    expect(await endOf(process)).toBe(7);
    await closed;
    expect(log().split("\n").map(messageOf)).toEqual(["a line", "the last line"]);
  });

  it("ends although nobody reads its log any more", async () => {
    const process = await start();
    present(process.stderr).destroy();
    process.kill("SIGTERM");
    expect(await endOf(process)).toBe(7);
  });

  it("ends although the reader of its log takes nothing", async () => {
    const process = await start(`for (let i = 0; i < 100; i += 1) logger.info("x".repeat(20_000));`);
    process.kill("SIGTERM");
    expect(await endOf(process)).toBe(7);
  });

  it("says what it died of", async () => {
    const process = await start();
    const log = read(process.stderr);
    process.kill("SIGUSR2");
    const closed = once(process, "close");
    expect(await endOf(process)).toBe(1);
    await closed;
    expect(log().split("\n").map(messageOf)).toEqual(["a line", "about to throw", "cannot go on"]);
    expect(log()).toContain("Error: boom");
  });

  it("dies although nobody reads its log any more", async () => {
    const process = await start();
    present(process.stderr).destroy();
    process.kill("SIGUSR2");
    expect(await endOf(process)).toBe(1);
  });

  it("goes on with a full disk under its log, and ends when it is asked to", async () => {
    const full = openSync("/dev/full", "w");
    const process = await start(
      "process.on('SIGUSR1', () => { logger.info('lost'); process.stdout.write('alive'); });",
      full,
    );
    closeSync(full);
    const said = read(process.stdout);
    for (const count of [1, 2]) {
      process.kill("SIGUSR1");
      await eventually("it goes on", () => said() === "alive".repeat(count));
    }
    process.kill("SIGTERM");
    expect(await endOf(process)).toBe(7);
  });
});
