import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

const PROGRAM = new URL("./provider-program.ts", import.meta.url).pathname;

/** An OpenID Connect provider in a process of its own, at a port that it keeps over restarts; each start has new keys. */
export class TestProvider {
  readonly issuer: string;
  readonly #settings: string;
  #child: ChildProcess | undefined;

  constructor(port: number, redirectUri: string) {
    this.issuer = `http://127.0.0.1:${port}`;
    this.#settings = JSON.stringify({ port, redirectUri });
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, this.#settings], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    await once(child.stdout, "data");
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.stdin?.end();
    await ended;
  }

  /** Who logs in next and in which groups, and what is wrong with the token. */
  async next(control: {
    readonly person?: string;
    readonly groups?: readonly string[];
    readonly claims?: Readonly<Record<string, unknown>>;
    readonly foreignKey?: boolean;
  }): Promise<void> {
    const body = JSON.stringify({ claims: {}, foreignKey: false, ...control });
    await fetch(`${this.issuer}/control`, { method: "POST", body });
  }
}
