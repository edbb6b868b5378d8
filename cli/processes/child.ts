import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { type Clock, sleep } from "../../shared/base/clock.ts";
import { openLog } from "./log-file.ts";

/** One of Skerry's programs, ready to be started. */
export interface Program {
  readonly name: string;
  /** The main.ts. */
  readonly script: string;
  /** Of the Node that runs it. */
  readonly nodeFlags?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
}

export interface Ended {
  /** `exit code 1`, `signal SIGKILL`. */
  readonly how: string;
  readonly code: number | null;
}

/**
 * A running program. Its standard input is a pipe that nobody writes to: it closes when we end in whatever way, and
 * the program ends with us. It leads a session of its own, so that Ctrl-C reaches us alone and we stop things in order.
 */
export class Child {
  readonly pid: number | undefined;
  /** Resolves once, when the process is gone. */
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;

  constructor(program: Program) {
    const log = openLog(program.logFile);
    try {
      this.#process = spawn(process.execPath, [...(program.nodeFlags ?? []), program.script], {
        stdio: ["pipe", log, log],
        detached: true,
        env: program.env,
      });
    } finally {
      closeSync(log);
    }
    this.pid = this.#process.pid;
    // The program's death is learned from `exit`; the broken pipe says nothing new.
    this.#process.stdin?.on("error", () => {});
    this.ended = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) =>
        resolve({ how: signal === null ? `exit code ${code}` : `signal ${signal}`, code }),
      );
      this.#process.once("error", (error) => resolve({ how: error.message, code: null }));
    });
  }

  /** Asks it to end, allows `graceMs` for it, then kills. Resolves when it is gone. */
  async stop(graceMs: number, clock: Clock): Promise<Ended> {
    this.#process.kill("SIGTERM");
    const giveUp = new AbortController();
    const late = sleep(clock, graceMs, giveUp.signal).then(
      () => this.kill(),
      () => {},
    );
    const ended = await this.ended;
    giveUp.abort();
    await late;
    return ended;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
