import { closeSync } from "node:fs";
import path from "node:path";
import { SHARED_RUN_MS } from "../../../shared/protocol/limits.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import { CancelledRequests } from "../../model-host/link/cancelled-requests.ts";
import { IDLE, RunningSlot } from "../../model-host/link/running-slot.ts";
import type { HostTask } from "../../model-host/link/link-frame.ts";
import type { HostExit, HostRequest, HostResponse } from "../../ports/model-hosts.ts";
import type { SharedHostExit, SharedHostProcess, SharedModel } from "../../ports/shared-hosts.ts";
import { limitAddressSpace } from "./confinement/address-space.ts";
import { exitReason } from "./exit-reason.ts";
import type { CheckedHostEvent } from "./host-event.ts";
import type { Launch } from "./launch.ts";
import { MemoryWatch } from "./confinement/memory-watch.ts";
import { ProcessLink } from "./process-link.ts";
import { type SpawnedHost, spawnHost } from "./spawn-host.ts";

/** A load that took its trial a second at most, or the release of a model, behind what the host was asked before. */
const CHANGE_MS = 10_000;
/** Address space above the limit, as for a host of one model. */
const SLACK_MIB = 32;

interface Change {
  readonly doing: "loading" | "unloading";
  /** The load is over and the warm run too, or the model is out. */
  readonly done: PromiseWithResolvers<number>;
  loadMs: number;
}

interface Options {
  readonly cwd: string;
  readonly memMiB: number;
  readonly platform: string;
  /** Path of the file that the runtime loads, in an artifact's folder. */
  readonly fileOf: (directory: string) => Promise<string>;
  /** Descriptor of an open file that nobody else uses; closed when the process has ended. */
  readonly statusFile: number;
}

/** A process of several models. What ends it is blamed on the model that ran, unless somebody else killed it. */
export class SharedProcess implements SharedHostProcess {
  readonly exited: Promise<SharedHostExit>;
  readonly #spawned: SpawnedHost;
  readonly #link: ProcessLink;
  readonly #running: RunningSlot;
  readonly #memory: MemoryWatch | undefined;
  readonly #fileOf: Options["fileOf"];
  readonly #slots = new Map<number, SharedModel>();
  /** Loads and unloads under way. */
  readonly #changes = new Map<number, Change>();
  #memMiB: number;
  /** Why it ends, and which slot's model ran then: the first reason is kept. */
  #known: { readonly exit: HostExit; readonly slot: number } | undefined;

  constructor(launch: Launch, { cwd, memMiB, platform, fileOf, statusFile }: Options) {
    this.#fileOf = fileOf;
    this.#memMiB = memMiB;
    this.#running = new RunningSlot(statusFile);
    this.#spawned = spawnHost(launch, cwd, [statusFile]);
    const { child, link } = this.#spawned;
    this.#link = new ProcessLink(link, {
      runsSeveral: true,
      cancelled: new CancelledRequests(statusFile),
      onEvent: (event, slot) => this.#take(event, slot),
      onOverdue: (timeoutMs) => {
        if (!this.#isExplainedByLoad(timeoutMs))
          this.#kill({
            code: "HOST_CRASHED",
            reason: `killed after ${timeoutMs} ms without an answer`,
            blames: "RUN_TOO_LONG",
          });
      },
      onNonsense: (why) => this.#kill({ code: "HOST_CRASHED", reason: `killed because it answered nonsense: ${why}` }),
    });
    if (child.pid !== undefined)
      this.#memory = new MemoryWatch(child.pid, {
        limitMiB: memMiB,
        platform,
        onOver: (privateMiB) =>
          this.#kill({
            code: "OUT_OF_MEMORY",
            reason: `memory limit of ${this.#memMiB} MiB: it held ${Math.round(privateMiB)} MiB`,
            blames: "OUT_OF_MEMORY",
          }),
      });
    this.exited = this.#ending(statusFile);
  }

  async load(slot: number, model: SharedModel): Promise<number> {
    const { model: name, version, directory, defaults, samples, noBatchReason } = model;
    const task: HostTask = {
      model: name,
      version,
      file: await this.#fileOf(directory),
      ...(noBatchReason !== undefined && { noBatchReason }),
      ...(defaults.length > 0 && { defaults }),
      ...(samples !== undefined && { samples: path.resolve(directory, samples) }),
    };
    this.#slots.set(slot, model);
    const done = this.#begin(slot, "loading");
    this.#link.load(slot, Buffer.from(JSON.stringify(task)));
    return done;
  }

  async unload(slot: number): Promise<void> {
    const done = this.#begin(slot, "unloading");
    this.#link.unload(slot);
    await done.catch(() => undefined);
    this.#slots.delete(slot);
  }

  /** Requests wait behind a load, which may take long on a busy machine and has a time limit of its own. */
  #isExplainedByLoad(silentMs: number): boolean {
    return silentMs < CHANGE_MS && this.#changes.get(this.#running.read())?.doing === "loading";
  }

  #begin(slot: number, doing: Change["doing"]): Promise<number> {
    const { exit } = this.#known ?? {};
    if (exit !== undefined) return Promise.reject(hostFailure(exit.code, exit.reason));
    const done = Promise.withResolvers<number>();
    this.#changes.set(slot, { doing, done, loadMs: 0 });
    const reason = `killed after ${CHANGE_MS} ms of ${doing}`;
    const timer = setTimeout(() => this.#kill({ code: "LOAD_TIMEOUT", reason }), CHANGE_MS);
    return done.promise.finally(() => clearTimeout(timer));
  }

  async ask(slot: number, request: HostRequest): Promise<HostResponse> {
    if (this.#known !== undefined) throw Object.assign(this.#failure(this.#known.exit), { started: false });
    const answer = await this.#link.ask({ ...request, timeoutMs: SHARED_RUN_MS }, slot);
    if (answer.code !== "OUT_OF_MEMORY") return answer;
    // The runtime's arena is of no use any more. The answers to others that came with this one are read first.
    const reason = `memory limit of ${this.#memMiB} MiB: a run needed more`;
    const exit: HostExit = { code: "OUT_OF_MEMORY", reason, blames: "OUT_OF_MEMORY" };
    setImmediate(() => this.#kill(exit, slot));
    throw Object.assign(this.#failure(exit), { started: true });
  }

  async holdTo(memMiB: number): Promise<void> {
    await this.#memory?.look();
    this.#memMiB = memMiB;
    if (this.#memory) this.#memory.limitMiB = memMiB;
    const { addressMiB, privateMiB } = this.#memory?.latest ?? { privateMiB: 0 };
    const { pid } = this.#spawned.child;
    if (pid === undefined || addressMiB === undefined || this.#known !== undefined) return;
    await limitAddressSpace(pid, addressMiB + Math.max(0, memMiB - privateMiB) + SLACK_MIB);
  }

  memory(): { readonly limitMiB: number; readonly privateMiB: number; readonly residentMiB: number } {
    const { privateMiB = 0, residentMiB = 0 } = this.#memory?.latest ?? {};
    return { limitMiB: this.#memMiB, privateMiB, residentMiB };
  }

  async stop(graceMs: number): Promise<void> {
    this.#known ??= { exit: { code: "HOST_CRASHED", reason: "stopped by the agent" }, slot: IDLE };
    this.#link.finish();
    const timer = setTimeout(() => this.#spawned.child.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  #kill(exit: HostExit, slot = this.#running.read()): void {
    this.#known ??= { exit, slot };
    this.#spawned.child.kill("SIGKILL");
  }

  #failure({ code, reason }: HostExit) {
    return Object.assign(hostFailure(code, reason), { wasShared: true });
  }

  #ending(statusFile: number): Promise<SharedHostExit> {
    const { child, lifeline, stderr } = this.#spawned;
    child.once("error", (error) => {
      const reason = `the process could not be started: ${error.message}`;
      this.#known ??= { exit: { code: "HOST_CRASHED", reason }, slot: IDLE };
      lifeline.destroy();
    });
    return new Promise((resolve) => {
      // `close` comes after the last byte of the link: answers given before the end still count.
      child.once("close", (exitCode, signal) => {
        this.#memory?.stop();
        const ran = this.#known?.slot ?? this.#running.read();
        closeSync(statusFile);
        // The machine, or a person: the model that ran then has nothing to do with it.
        const isFromOutside = this.#known === undefined && signal === "SIGKILL";
        const found = { known: this.#known?.exit, exitCode, signal, stderr: stderr(), memMiB: this.#memMiB };
        const { code, reason, blames } = exitReason(found);
        this.#known ??= { exit: { code, reason }, slot: ran };
        this.#link.fail((started) => Object.assign(this.#failure({ code, reason }), { started }), ran);
        for (const { done } of this.#changes.values()) done.reject(hostFailure(code, reason));
        this.#changes.clear();
        const endedBy = isFromOutside || ran === IDLE ? undefined : ran;
        resolve({ code, reason, endedBy, ...(blames !== undefined && { blames }) });
      });
    });
  }

  #take(event: CheckedHostEvent, slot: number): void {
    const change = this.#changes.get(slot);
    switch (event.event) {
      case "loaded":
        if (change) change.loadMs = event.loadMs;
        return;
      case "ready":
      case "unloaded":
        change?.done.resolve(change.loadMs);
        this.#changes.delete(slot);
        return;
      case "failed":
        this.#changes.delete(slot);
        change?.done.reject(hostFailure(event.outOfMemory ? "OUT_OF_MEMORY" : "LOAD_FAILED", event.detail));
        // After a failed allocation the runtime's arena takes all that is left.
        if (event.outOfMemory) this.#kill({ code: "OUT_OF_MEMORY", reason: event.detail }, slot);
        return;
      case "sharing-stopped":
        return this.#slots.get(slot)?.onSharingStopped(event.reason);
      case "slow-batch":
        return this.#slots.get(slot)?.onSlowBatch(event.cpuMs);
      case "larger-run":
      case "progress":
        return; // of other programs
    }
  }
}
