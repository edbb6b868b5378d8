import { afterEach, describe, expect, it } from "@jest/globals";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

const MODULE = path.resolve(import.meta.dirname, "../../../shared/exit-with-log.ts");
/** Longer than the second that last lines may take, and much shorter than for ever. */
const LIMIT_MS = 10_000;

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
  process.on("SIGUSR2", () => { logger.info("a line"); logger.info("about to throw"); throw new Error("boom"); });
  process.stdin.resume();
  ${before}
  process.stdout.write("up");
`;

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

async function start(before = ""): Promise<ChildProcess> {
  const args = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", program(before)];
  child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
  await once(present(child.stdout), "data");
  return child;
}

function present<Stream>(stream: Stream | null): Stream {
  if (stream === null) throw new Error("the child has no such stream");
  return stream;
}

/** The child's exit code. */
async function endOf(process: ChildProcess): Promise<number> {
  const [code] = (await once(process, "exit", { signal: AbortSignal.timeout(LIMIT_MS) })) as [number];
  return code;
}

describe("a process that logs", () => {
  it("writes its last line before it ends", async () => {
    const process = await start();
    let log = "";
    present(process.stderr).on("data", (bytes: Buffer) => (log += bytes.toString()));
    process.kill("SIGTERM");
    const closed = once(process, "close");
    expect(await endOf(process)).toBe(7);
    await closed;
    expect(log).toContain("the last line");
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

  it("ends by what it throws although nobody reads its log any more", async () => {
    const process = await start();
    present(process.stderr).destroy();
    process.kill("SIGUSR2");
    expect(await endOf(process)).not.toBe(0);
  });
});
