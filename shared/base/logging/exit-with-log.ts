/** What matters of pino's destination for the end of a process. */
interface LogStream {
  write(text: string): unknown;
  destroy(): void;
  on(event: "drain" | "error", listener: () => void): unknown;
}

/** What may wait for a log's reader, in bytes; more is dropped. */
export const LOG_BACKLOG_BYTES = 4 * 1_048_576;
const LAST_LINES_MS = 1_000;

/**
 * Gives the way to end this process: the last lines go out first, for a second at most. Any other end drops what is not
 * written yet. Left to itself sonic-boom (4.2.1, under pino) retries the last write without end at exit, whatever the
 * error: a control plane whose log had lost its reader stayed for hours. So does pino's `fatal`, which writes at once: last
 * words are of the level `error`. A full disk under the log ends nobody.
 */
export function exitWithLog(log: LogStream): (code: number) => void {
  let isBroken = false;
  log.on("error", () => {
    isBroken = true;
  });
  log.on("drain", () => {
    isBroken = false;
  });
  // Before sonic-boom's own listener: of what is destroyed it writes nothing.
  process.prependListener("exit", () => log.destroy());
  return (code) => {
    const exit = (): void => process.exit(code);
    if (isBroken) return exit();
    log.on("drain", exit);
    log.on("error", exit);
    setTimeout(exit, LAST_LINES_MS);
    log.write(""); // even if all is written: "drain" follows a write
  };
}
