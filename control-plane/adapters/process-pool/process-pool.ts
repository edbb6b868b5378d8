import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { CloudPool, PoolObservation, PoolPod, PoolScale } from "../../ports/cloud/cloud-pool.ts";
import type { PodCluster, PodIdentity } from "../../ports/cloud/pods.ts";

/** By path: neither side imports the other. */
const NODE_PROGRAM = fileURLToPath(new URL("../../../edge-node/main.ts", import.meta.url));
const NODE_FLAGS = ["--max-semi-space-size=8"];
/** A process that ended by itself is started again after this, in ms. */
const RESTART_MS = 2_000;
/** A node drains for 30 s at most; then it has this long in all, in ms. */
const GRACE_MS = 40_000;
/** EX_CONFIG of sysexits.h: starting it again does not help. */
const EXIT_CONFIG = 78;

interface Running {
  readonly name: string;
  readonly uid: string;
  readonly token: string;
  readonly createdAt: number;
  readonly directory: string;
  child: ChildProcess | undefined;
  isEnding: boolean;
  ends: number;
  trouble: string | undefined;
  cancelTimer: () => void;
}

interface Parts {
  readonly name: string;
  /** Where nodes reach this control plane. */
  readonly url: string;
  /** Of the authorities by which they verify it; undefined: those of the machine. */
  readonly authoritiesFile?: string | undefined;
  /** For the state and the logs of its nodes. Emptied at the first start of a process. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Node processes on this machine as a pool: for `skerry dev` and for a look, with one control plane. They join as pods of a
 * cluster do, with a token that this class made and vouches for, and so are removed from the fleet when they are gone. They
 * end with the control plane, whatever ends it.
 */
export class ProcessPool implements CloudPool, PodCluster {
  readonly name: string;
  readonly #parts: Parts;
  readonly #running = new Map<string, Running>();
  #replicas = 0;
  #isStopped = false;

  constructor(parts: Parts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  observe(): Promise<PoolObservation> {
    const pods = [...this.#running.values()].map(({ name, child, isEnding, trouble, createdAt }): PoolPod => {
      const state = isEnding ? "ending" : child === undefined ? "pending" : "running";
      return { name, state, trouble, createdAt };
    });
    return Promise.resolve({
      replicas: this.#replicas,
      pods,
      labels: { pool: this.name },
      memMiB: Math.floor(totalmem() / 1_048_576),
      cpus: availableParallelism(),
      trouble: undefined,
    });
  }

  async scale({ from, to, remove }: PoolScale): Promise<boolean> {
    if (this.#replicas !== from || this.#isStopped) return false;
    this.#replicas = to;
    const there = (): Running[] => [...this.#running.values()].filter(({ isEnding }) => !isEnding);
    const first = (running: Running): number => Number(!remove.includes(running.name));
    const surplus = there()
      .toSorted((a, b) => first(a) - first(b) || b.createdAt - a.createdAt)
      .slice(0, Math.max(0, there().length - to));
    for (const running of surplus) this.#end(running);
    const missing = Math.max(0, to - there().length);
    for (let count = 0; count < missing; count += 1) await this.#add();
    return true;
  }

  identify(token: string): Promise<PodIdentity | null> {
    const running = this.#running.values().find((each) => each.token === token && !each.isEnding);
    if (!running) return Promise.resolve(null);
    const { name, uid } = running;
    return Promise.resolve({ name, uid, zone: undefined, labels: { "skerry.dev/pool": this.name } });
  }

  podUids(): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set(this.#running.values().map(({ uid }) => uid)));
  }

  /** Ends all processes and resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const gone = [...this.#running.values()].map((running) => {
      const { child } = running;
      const ended = new Promise<void>((resolve) => {
        if (child === undefined) resolve();
        else child.once("exit", () => resolve());
      });
      this.#end(running);
      return ended;
    });
    await Promise.all(gone);
  }

  async #add(): Promise<void> {
    const { directory, clock } = this.#parts;
    // What an earlier control plane left there belongs to nodes that are gone.
    if (this.#running.size === 0) await rm(directory, { recursive: true, force: true });
    const name = `${this.name}-${randomBytes(3).toString("hex")}`;
    const running: Running = {
      name,
      uid: randomBytes(16).toString("hex"),
      token: randomBytes(32).toString("base64url"),
      createdAt: clock.wallNow(),
      directory: path.join(directory, name),
      child: undefined,
      isEnding: false,
      ends: 0,
      trouble: undefined,
      cancelTimer: () => undefined,
    };
    await mkdir(running.directory, { recursive: true, mode: 0o700 });
    await writeFile(tokenFile(running), running.token, { mode: 0o600 });
    this.#running.set(name, running);
    this.#start(running);
  }

  #start(running: Running): void {
    const { url, authoritiesFile, logger } = this.#parts;
    const { name, directory } = running;
    const log = openSync(path.join(directory, "node.log"), "a");
    const child = spawn(process.execPath, [...NODE_FLAGS, NODE_PROGRAM], {
      // A group of its own: Ctrl-C in a terminal reaches the control plane alone, which ends it in order.
      detached: true,
      stdio: ["pipe", log, log],
      env: {
        ...withoutOurs(process.env),
        SKERRY_STATE_DIR: path.join(directory, "state"),
        SKERRY_URL: url,
        ...(authoritiesFile !== undefined && { SKERRY_CA_FILE: path.resolve(authoritiesFile) }),
        SKERRY_NODE_NAME: name,
        SKERRY_POD_TOKEN_FILE: tokenFile(running),
        SKERRY_LOCAL_PORT: "0",
        SKERRY_EXIT_WITH_PARENT: "1",
      },
    });
    closeSync(log);
    child.stdin?.on("error", () => undefined); // its end is learned from `exit`
    running.child = child;
    const onEnd = (code: number | null, how: string): void => {
      if (running.child !== child) return;
      running.child = undefined;
      if (running.isEnding) return void this.#forget(running);
      running.ends += 1;
      running.trouble = `ended with ${how}, ${running.ends} times; its log is ${path.join(directory, "node.log")}`;
      logger.warn({ pool: this.name, node: name, how }, "a node of the pool ended");
      if (code !== EXIT_CONFIG) running.cancelTimer = this.#parts.clock.after(RESTART_MS, () => this.#start(running));
    };
    child.once("exit", (code, signal) => onEnd(code, signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once("error", (error) => onEnd(null, error.message));
  }

  #end(running: Running): void {
    if (running.isEnding) return;
    running.isEnding = true;
    running.cancelTimer();
    const { child } = running;
    if (child === undefined) return void this.#forget(running);
    child.kill("SIGTERM");
    running.cancelTimer = this.#parts.clock.after(GRACE_MS, () => child.kill("SIGKILL"));
  }

  async #forget(running: Running): Promise<void> {
    running.cancelTimer();
    this.#running.delete(running.name);
    await rm(running.directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

const tokenFile = ({ directory }: Running): string => path.join(directory, "token");

/** Our settings are not a node's, and the database is none of its business. */
const withoutOurs = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => name === "SKERRY_LOG_LEVEL" || (!name.startsWith("SKERRY_") && name !== "DATABASE_URL"),
    ),
  );
