import { join } from "node:path";
import { systemClock } from "../../shared/base/clock.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { RESTART_MS } from "../processes/supervised.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import { stopLeftover } from "./postmaster.ts";

const FOLDER = "postgres";
/** Restarts within this time of each other count as one crash loop. */
const CRASH_LOOP_MS = 60_000;
const MAX_RESTARTS = 5;

export interface DatabaseUrls {
  /** By which the control plane serves. */
  readonly url: string;
  /** By which it makes migrations; undefined: by the same. */
  readonly migrationUrl: string | undefined;
}

/** The embedded PostgreSQL, started again at the same port when it dies. */
export class DevDatabase {
  readonly #directory: string;
  readonly #report: (sentence: string) => void;
  readonly #onGivenUp: (why: string) => void;
  #server: EmbeddedPostgres | undefined;
  #port: number | undefined;
  #stopping = false;
  #cancelRestart: (() => void) | undefined;
  #starting: Promise<void> | undefined;
  readonly #endedAt: number[] = [];

  constructor(
    directory: string,
    hooks: { readonly report: (sentence: string) => void; readonly onGivenUp: (why: string) => void },
  ) {
    this.#directory = join(directory, FOLDER);
    this.#report = hooks.report;
    this.#onGivenUp = hooks.onGivenUp;
  }

  /** Resolves with its addresses when the server answers. They carry passwords. */
  async start(): Promise<DatabaseUrls> {
    const server = await startEmbeddedPostgres({ directory: this.#directory, port: this.#port });
    this.#server = server;
    this.#port = server.port;
    void server.exited.then(() => this.#onExit(server));
    return { url: server.serviceUrl, migrationUrl: server.url };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart?.();
    await this.#starting;
    await this.#server?.stop();
  }

  #onExit(server: EmbeddedPostgres): void {
    if (this.#stopping || this.#server !== server) return;
    const now = systemClock.now();
    this.#endedAt.push(now);
    const recent = this.#endedAt.filter((at) => now - at < CRASH_LOOP_MS);
    if (recent.length >= MAX_RESTARTS)
      return this.#onGivenUp(`PostgreSQL ended ${recent.length} times within a minute`);
    this.#report(`PostgreSQL ended; starting it again in ${RESTART_MS / 1000} s`);
    this.#cancelRestart = systemClock.after(RESTART_MS, () => {
      this.#starting = this.start().then(
        () => this.#report("PostgreSQL was started again"),
        (error: unknown) => this.#onGivenUp(messageOf(error)),
      );
    });
  }
}

/** Ends a server that a killed `skerry dev` left behind, before its data is wiped under it. */
export async function stopLeftoverDatabase(directory: string): Promise<void> {
  await stopLeftover(join(directory, FOLDER, "data"), undefined);
}
