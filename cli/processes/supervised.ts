import type { Clock } from "../../shared/base/clock.ts";
import type { Child, Ended, Program } from "./child.ts";

/** How long after its end a program is started again. */
export const RESTART_MS = 2000;
/** A program that lives shorter than this has not come up. */
const SHORT_LIFE_MS = 10_000;
/** So many short lives in a row are a crash loop: starting it again would only hide the reason. */
const MAX_SHORT_LIVES = 5;
/** EX_CONFIG of sysexits.h: the settings are wrong, and starting again will not help. */
const EXIT_CONFIG = 78;

export interface SupervisorPorts {
  readonly clock: Clock;
  readonly spawn: (program: Program) => Pick<Child, "pid" | "ended" | "stop" | "kill">;
  /** Told in a sentence whatever a person should know. */
  readonly report: (sentence: string) => void;
  /** Called once, when the program is in a crash loop and is not started again. */
  readonly onGivenUp: (program: Program, last: Ended) => void;
}

/**
 * Keeps one program running.
 *
 * stopped   before `start` and after `stop`
 * running   a process lives; its end leads to `waiting`, or to `givenUp` after too many short lives
 * waiting   started again in two seconds
 * givenUp   ended for good; only `stop` is left
 */
export class Supervised {
  readonly program: Program;
  readonly #ports: SupervisorPorts;
  #state: "stopped" | "running" | "waiting" | "givenUp" = "stopped";
  #child: ReturnType<SupervisorPorts["spawn"]> | undefined;
  #cancelRestart: (() => void) | undefined;
  #shortLives = 0;

  constructor(program: Program, ports: SupervisorPorts) {
    this.program = program;
    this.#ports = ports;
  }

  get state(): "stopped" | "running" | "waiting" | "givenUp" {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#state === "stopped") this.#becomeRunning();
  }

  /** Ends the program in order, or by force after `graceMs`; it is not started again. */
  async stop(graceMs: number): Promise<void> {
    const child = this.#becomeStopped();
    await child?.stop(graceMs, this.#ports.clock);
  }

  /** Ends the program at once. */
  kill(): void {
    this.#becomeStopped()?.kill();
  }

  #becomeRunning(): void {
    const { clock, spawn } = this.#ports;
    const startedAt = clock.now();
    const child = spawn(this.program);
    this.#state = "running";
    this.#child = child;
    void child.ended.then((ended) => {
      if (this.#child === child && this.#state === "running") this.#onEnd(ended, clock.now() - startedAt);
    });
  }

  #onEnd(ended: Ended, livedMs: number): void {
    this.#child = undefined;
    this.#shortLives = livedMs < SHORT_LIFE_MS ? this.#shortLives + 1 : 1;
    if (ended.code === EXIT_CONFIG) return this.#becomeGivenUp(ended, "because of its settings");
    if (this.#shortLives >= MAX_SHORT_LIVES)
      return this.#becomeGivenUp(ended, `for the ${MAX_SHORT_LIVES}th time in a row`);
    this.#state = "waiting";
    this.#ports.report(`${this.program.name} ended (${ended.how}); starting it again in ${RESTART_MS / 1000} s`);
    this.#cancelRestart = this.#ports.clock.after(RESTART_MS, () => {
      this.#cancelRestart = undefined;
      this.#becomeRunning();
      this.#ports.report(`${this.program.name} was started again`);
    });
  }

  #becomeGivenUp(ended: Ended, why: string): void {
    this.#state = "givenUp";
    this.#ports.report(`${this.program.name} ended (${ended.how}) ${why}; it is not started again`);
    this.#ports.onGivenUp(this.program, ended);
  }

  #becomeStopped(): ReturnType<SupervisorPorts["spawn"]> | undefined {
    const child = this.#child;
    this.#state = "stopped";
    this.#child = undefined;
    this.#cancelRestart?.();
    this.#cancelRestart = undefined;
    return child;
  }
}
