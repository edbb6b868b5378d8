import { fork, type ChildProcess } from "node:child_process";
import path from "node:path";
import type { FleetSize } from "./fleet-rows.ts";

/** What the process of the nodes is given. */
export interface SwarmOptions extends FleetSize {
  /** `ws://…` of the control plane. */
  readonly url: string;
  readonly cpId: string;
  /** PKCS#8 in PEM: all nodes sign with it. */
  readonly privateKey: string;
  /** The folder of the build whose nodes these are: how often a node reports its load is part of what a build costs. */
  readonly checkout: string;
  /** Dial again after a close, as a node does. */
  readonly reconnects?: boolean;
  /** PEM of the authority of a control plane with TLS. */
  readonly authorities?: string;
}

/** What it does when asked. */
export type SwarmCommand =
  /** The node sends a line for its log. */
  { readonly kind: "log"; readonly node: number };

/** What it reports. */
export type SwarmReport =
  | { readonly kind: "connected" }
  /** A desired document arrived. `at`: ms since 1970, with fractions. */
  | { readonly kind: "desired"; readonly node: number; readonly isCordoned: boolean; readonly at: number }
  | { readonly kind: "closed"; readonly node: number; readonly reason: string }
  /** A node that dialled again was refused, or nobody was there. */
  | { readonly kind: "refused"; readonly node: number; readonly reason: string }
  /** A node that dialled again is ready for requests. `at`: ms since 1970, with fractions. */
  | { readonly kind: "back"; readonly node: number; readonly at: number };

/** A thousand node sessions in a process of their own, so that their CPU is not the control plane's. */
export class NodeSwarm {
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(report: SwarmReport) => void>();
  readonly closed: string[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (report) => {
      const read = report as SwarmReport;
      if (read.kind === "closed") this.closed.push(`${read.node}: ${read.reason}`);
      for (const listener of this.#listeners) listener(read);
    });
  }

  /** Resolves when every session stands and has been confirmed twice. */
  static async start(options: SwarmOptions): Promise<NodeSwarm> {
    const swarm = new NodeSwarm(fork(path.join(import.meta.dirname, "swarm-main.ts"), [JSON.stringify(options)]));
    await swarm.next((report) => report.kind === "connected");
    return swarm;
  }

  /** The next report that `isWanted`; rejects when the process ends first. */
  next(isWanted: (report: SwarmReport) => boolean): Promise<SwarmReport> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#listeners.delete(listener);
        this.#child.off("exit", onExit);
      };
      const onExit = (code: number | null): void => {
        done();
        reject(new Error(`the process of the nodes ended with ${code}`));
      };
      const listener = (report: SwarmReport): void => {
        if (!isWanted(report)) return;
        done();
        resolve(report);
      };
      this.#listeners.add(listener);
      this.#child.once("exit", onExit);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(command: SwarmCommand): void {
    this.#child.send(command);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
