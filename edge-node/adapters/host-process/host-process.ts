import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { RunSize } from "../../../shared/inference/run-size.ts";
import type { HostResponse, HostExit, HostRequest } from "../../ports/model-hosts.ts";
import { CancelledRequests } from "../../model-host/link/cancelled-requests.ts";
import { limitAddressSpace } from "./confinement/address-space.ts";
import { exitReason } from "./exit-reason.ts";
import type { CheckedHostEvent } from "./host-event.ts";
import type { Launch } from "./launch.ts";
import { MemoryWatch } from "./confinement/memory-watch.ts";
import { ProcessLink } from "./process-link.ts";
import { type SpawnedHost, spawnHost } from "./spawn-host.ts";

/** Address space above the limit: the runtime takes it in powers of two and fills less. The watch holds the limit itself. */
const SLACK_MIB = 32;
/** A host that holds so many times what it held at first keeps the memory of earlier runs. */
const GROWN = 1.25;

/**
 * One child process and everything that must end with it: link, lifeline, memory watch, stderr. Knows nothing of phases;
 * `start-host.ts` gives its events a meaning.
 */
export class HostProcess {
  readonly exited: Promise<HostExit>;
  readonly #child: ChildProcess;
  readonly #link: ProcessLink;
  #memMiB: number;
  #memory: MemoryWatch | undefined;
  /** What it held when it was held to its limit first. */
  #readyMiB = Infinity;
  /** The request that was too much has its answer. */
  #isAnswered = false;
  /** Why it ends, once that is known: the first reason is kept. */
  #known: HostExit | undefined;
  /** The run under way, when it is larger than all before it. */
  #largerRun: { readonly size: RunSize; readonly isFirstToGrow: boolean } | undefined;

  constructor(
    launch: Launch,
    options: {
      cwd: string;
      memMiB: number;
      platform: string;
      /** It runs several requests at once, and begins their answers in any order. */
      runsSeveral: boolean;
      /** Descriptor of `openStatusFile`; closed when the process has ended. */
      statusFile: number;
      onEvent: (event: CheckedHostEvent) => void;
    },
  ) {
    this.#memMiB = options.memMiB;
    const spawned = spawnHost(launch, options.cwd, [options.statusFile]);
    this.#child = spawned.child;
    this.#link = new ProcessLink(spawned.link, {
      runsSeveral: options.runsSeveral,
      cancelled: new CancelledRequests(options.statusFile),
      onEvent: options.onEvent,
      onOverdue: (timeoutMs) =>
        this.kill({
          code: "HOST_CRASHED",
          reason: `killed after ${timeoutMs} ms without an answer`,
          blames: "RUN_TOO_LONG",
        }),
      onNonsense: (why) => this.kill({ code: "HOST_CRASHED", reason: `killed because it answered nonsense: ${why}` }),
    });
    this.exited = this.#ending(spawned, options.statusFile);
    this.#watchMemory(options);
  }

  #watchMemory({ memMiB, platform }: { memMiB: number; platform: string }): void {
    const { pid } = this.#child;
    if (pid === undefined) return; // the spawn failed; `exited` tells
    const onOver = (privateMiB: number): void =>
      this.kill({
        code: "OUT_OF_MEMORY",
        reason: `memory limit of ${this.#memMiB} MiB: it held ${Math.round(privateMiB)} MiB`,
        blames: "OUT_OF_MEMORY",
      });
    this.#memory = new MemoryWatch(pid, { limitMiB: memMiB, platform, onOver });
  }

  #ending({ child, lifeline, stderr }: SpawnedHost, statusFile: number): Promise<HostExit> {
    child.once("error", (error) => {
      this.#known ??= { code: "HOST_CRASHED", reason: `the process could not be started: ${error.message}` };
      lifeline.destroy();
    });
    return new Promise((resolve) => {
      // `close` comes after the last byte of the link: answers given before the end still count.
      child.once("close", (exitCode, signal) => {
        this.#memory?.stop();
        closeSync(statusFile);
        const exit = exitReason({ known: this.#known, exitCode, signal, stderr: stderr(), memMiB: this.#memMiB });
        this.#known = exit;
        const { code, reason, blames } = exit;
        const suspects = this.#link.fail((mayBe) => {
          const started = mayBe && !this.#isAnswered;
          return Object.assign(hostFailure(code, reason), { started, blames });
        });
        // Nobody's request: then it is the model's own fault.
        if (suspects === 0 && !this.#isAnswered) return resolve({ code, reason });
        const isKnown = suspects === 1 || this.#isAnswered;
        const tooLarge = isKnown && blames === "OUT_OF_MEMORY" ? this.#sizeToBlame : undefined;
        resolve(tooLarge === undefined ? exit : { ...exit, tooLarge });
      });
    });
  }

  /** Of a host that had grown before, what earlier runs left may be what was too much. */
  get #sizeToBlame(): RunSize | undefined {
    return this.#largerRun?.isFirstToGrow === true ? this.#largerRun.size : undefined;
  }

  /** A run that is larger than all before it begins; undefined: it has ended. */
  largerRun(size: RunSize | undefined): void {
    this.#largerRun = size && { size, isFirstToGrow: !this.#hasGrown };
  }

  get #hasGrown(): boolean {
    return this.privateMiB >= GROWN * this.#readyMiB;
  }

  /** Looks now instead of at the next turn of the watch. */
  async lookAtMemory(): Promise<void> {
    await this.#memory?.look();
  }

  /** Holds it to `memMiB` from now on (0: to nothing), in address space too as far as the system allows. */
  async holdTo(memMiB: number): Promise<void> {
    const { pid } = this.#child;
    await this.lookAtMemory();
    this.#memMiB = memMiB;
    if (this.#memory) this.#memory.limitMiB = memMiB;
    const { addressMiB, privateMiB } = this.#memory?.latest ?? { privateMiB: 0 };
    if (this.#readyMiB === Infinity) this.#readyMiB = privateMiB;
    if (pid === undefined || addressMiB === undefined || this.#known !== undefined) return;
    await limitAddressSpace(pid, memMiB === 0 ? 0 : addressMiB + Math.max(0, memMiB - privateMiB) + SLACK_MIB);
  }

  /** Holds it to more than before, and lets it try again what was too large. */
  async raiseTo(memMiB: number): Promise<void> {
    await this.holdTo(memMiB);
    this.#link.tellLimit();
  }

  get memMiB(): number {
    return this.#memMiB;
  }

  get residentMiB(): number {
    return this.#memory?.latest.residentMiB ?? 0;
  }

  get privateMiB(): number {
    return this.#memory?.latest.privateMiB ?? 0;
  }

  ask(request: HostRequest): Promise<HostResponse> {
    if (this.#known === undefined) return this.#link.ask(request).then((answer) => this.#checked(answer));
    const { code, reason, blames } = this.#known;
    return Promise.reject(Object.assign(hostFailure(code, reason), { started: false, blames }));
  }

  /**
   * An allocation failed at the limit. The host is not of use any more: after that the runtime's arena takes all that is
   * left of the address space for its next small buffer, and the runs behind it fail. In one that had grown, what others
   * left there may be what was too much: then nobody is blamed yet.
   */
  #checked(answer: HostResponse): HostResponse {
    if (answer.code !== "OUT_OF_MEMORY" || answer.isBeforeRun === true) return answer;
    const reason = `memory limit of ${this.#memMiB} MiB: a run needed more`;
    const hadGrown = this.#largerRun === undefined ? this.#hasGrown : !this.#largerRun.isFirstToGrow;
    this.#isAnswered = true;
    if (answer.batchSize > 1) this.#largerRun = undefined;
    // The answers to others that came with this one are read first.
    setImmediate(() => this.kill({ code: "OUT_OF_MEMORY", reason, blames: "OUT_OF_MEMORY" }));
    if (!hadGrown) return answer;
    throw Object.assign(hostFailure("OUT_OF_MEMORY", reason), { started: true, blames: "OUT_OF_MEMORY", suspects: 2 });
  }

  /** Ends it at once. SIGKILL, because no other signal reaches a process whose model runs. */
  kill(why: HostExit): void {
    this.#known ??= why;
    this.#child.kill("SIGKILL");
  }

  /** Lets the requests under way end for at most `graceMs`, then kills. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    const asked: HostExit = { code: "HOST_CRASHED", reason: "stopped by the agent" };
    this.#known ??= asked;
    this.#link.finish();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** What the host said of its own end before it went. */
  expectEnd(exit: HostExit): void {
    this.#known ??= exit;
  }
}
