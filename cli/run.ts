import { ApiClient, type Target } from "./api/client.ts";
import { configPath, readConfig } from "./config/config-file.ts";
import { findRunningDev } from "./config/dev-directory.ts";
import { resolveTarget } from "./config/resolve-target.ts";
import type { Globals } from "./globals.ts";
import type { Interrupts } from "./interrupts.ts";
import { Output, type Streams } from "./output/output.ts";

/** What a command reads from and writes to, so that a test can pass its own. */
export interface ProcessEnv {
  readonly streams: Streams;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream;
  readonly interrupts: Interrupts;
}

const REQUEST_TIMEOUT_MS = 30_000;
const WAIT_TIMEOUT_MS = 300_000;

/** One run of one command: what it was asked globally, where it prints, whom it speaks to. */
export class CommandContext {
  readonly globals: Globals;
  readonly output: Output;
  readonly processEnv: ProcessEnv;
  #api: ApiClient | undefined;

  constructor(globals: Globals, processEnv: ProcessEnv) {
    this.globals = globals;
    this.processEnv = processEnv;
    this.output = new Output(processEnv.streams, {
      quiet: globals.quiet,
      color: globals.color,
      env: processEnv.env,
    });
  }

  get signal(): AbortSignal {
    return this.processEnv.interrupts.signal;
  }

  /** How long a wait may take in all. */
  get waitTimeoutMs(): number {
    return this.globals.timeoutMs ?? WAIT_TIMEOUT_MS;
  }

  async api(): Promise<ApiClient> {
    this.#api ??= this.apiFor(await this.target());
    return this.#api;
  }

  apiFor(target: Target): ApiClient {
    return new ApiClient(target, { timeoutMs: this.globals.timeoutMs ?? REQUEST_TIMEOUT_MS, signal: this.signal });
  }

  async target(): Promise<Target> {
    const { env, cwd } = this.processEnv;
    return resolveTarget({
      server: this.globals.server,
      context: this.globals.context,
      env,
      config: await readConfig(configPath(env)),
      dev: findRunningDev(cwd),
    });
  }
}
