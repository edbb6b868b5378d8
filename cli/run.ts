import { ApiClient, type Target } from "./api/client.ts";
import { authoritiesFile, trustOnly, readAuthorities } from "./api/authorities.ts";
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

  /** Of `--ca` or SKERRY_CA_FILE, as a full path. */
  get authoritiesFile(): string | undefined {
    return authoritiesFile(this.globals.ca, this.processEnv);
  }

  /** How long a wait may take in all. */
  get waitTimeoutMs(): number {
    return this.globals.timeoutMs ?? WAIT_TIMEOUT_MS;
  }

  async api(): Promise<ApiClient> {
    this.#api ??= this.apiFor(await this.target());
    return this.#api;
  }

  /** From now on the authorities of the target are the only ones: of `--ca`, else those that were kept for it. */
  apiFor(target: Target): ApiClient {
    const file = this.authoritiesFile;
    const ca = file === undefined ? target.ca : readAuthorities(file);
    if (ca !== undefined) trustOnly(ca);
    const { timeoutMs = REQUEST_TIMEOUT_MS, reason } = this.globals;
    return new ApiClient(target, { timeoutMs, reason, signal: this.signal });
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
