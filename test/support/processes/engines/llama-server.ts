import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { pythonWith } from "./python-environment.ts";
import { freePort, until } from "../skerry-process.ts";

const FOLDER = path.join(import.meta.dirname, "../../../engines");
const GAUGE = /^llamacpp:(requests_processing|requests_deferred) (\d+)/gm;

interface Options {
  /** A GGUF file. */
  readonly model: string;
  /** What it calls the model. */
  readonly alias: string;
  readonly slots?: number;
  /** Tokens of one request. */
  readonly context?: number;
  /** The key that it asks for. */
  readonly key?: string;
  /** It makes embeddings only. */
  readonly isEncoder?: boolean;
}

/** llama.cpp's own server of PyPI, on a port that stays the same over a restart. */
export class LlamaServer {
  readonly #python: string;
  readonly #options: Options;
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(python: string, port: number, options: Options) {
    this.#python = python;
    this.port = port;
    this.#options = options;
  }

  /** Installs it where it is not yet, starts it and waits until it answers. */
  static async start(options: Options): Promise<LlamaServer> {
    const python = await pythonWith(path.join(FOLDER, "requirements-llama-cpp.txt"));
    const server = new LlamaServer(python, await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const { model, alias, slots = 2, context = 4_096, key = "-", isEncoder = false } = this.#options;
    const script = path.join(FOLDER, "llama_server.py");
    const args = [script, model, String(this.port), String(slots), String(context), alias, key];
    this.#child = spawn(this.#python, isEncoder ? [...args, "embed"] : args, {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await until(
      "llama.cpp's server answers",
      async () => (await fetch(`${this.url}/health`).catch(() => undefined))?.ok === true,
      60_000,
    );
  }

  /** Requests that it runs, and that wait for a slot. */
  async busy(): Promise<number> {
    const { key } = this.#options;
    const answer = await fetch(`${this.url}/metrics`, {
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    });
    return [...(await answer.text()).matchAll(GAUGE)].reduce((sum, [, , value]) => sum + Number(value), 0);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}
