import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createPostgres, type PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { LIMITS } from "../../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../../control-plane/adapters/http/server/server.ts";
import { composeControlPlane, type ControlPlane } from "../../../../control-plane/compose.ts";
import { readConfig } from "../../../../control-plane/config.ts";
import { openTls } from "../../../../control-plane/compose/open-tls.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { callAt, type Answer, type Call } from "../../../integration/http/support/http-call.ts";

/** So long the database is waited for, which others keep busy. */
const PATIENT_MS = 20_000;

/** The machine's clock with a calendar that is off; what fills up with time can be made to wait. */
class SkewedClock {
  skewMs = 0;
  /** When `now` was stopped; undefined: it goes on. */
  stoppedAt: number | undefined;
  readonly now = (): number => this.stoppedAt ?? systemClock.now();
  readonly after: typeof systemClock.after = (ms, callback) => systemClock.after(ms, callback);
  readonly wallNow = (): number => systemClock.wallNow() + this.skewMs;
}

/** A whole control plane in this process, over a real database, with a calendar that a test may set. */
export class AttackedControlPlane {
  readonly clock = new SkewedClock();
  readonly #closers: (() => Promise<unknown>)[] = [];
  database!: TestDatabase;
  directory!: string;
  port!: number;
  adminKey!: string;

  async start(): Promise<void> {
    this.database = await startTestDatabase();
    this.directory = await mkdtemp(path.join(tmpdir(), "skerry-attacked-"));
    // Rows that use up what an address may guess come from an address of their own.
    const env = { DATABASE_URL: this.database.url, SKERRY_DATA_DIR: this.directory, SKERRY_TRUSTED_PROXIES: "1" };
    const config = readConfig(env);
    const common = { clock: this.clock, random: systemRandom, logger: silentLogger };
    const http = new HttpServer({ clock: this.clock, limits: LIMITS });
    const postgres: PostgresStores = await createPostgres({
      url: this.database.url,
      answerMs: PATIENT_MS,
      ...common,
    });
    const tls = await openTls(config, common);
    const controlPlane: ControlPlane = await composeControlPlane(config, { postgres, http, tls, ...common });
    await controlPlane.start();
    controlPlane.open();
    this.port = await http.listen({ host: "127.0.0.1", port: 0 });
    this.adminKey = (await controlPlane.keys.mintFirstKey()) ?? "";
    this.#closers.push(
      () => controlPlane.stop(),
      () => postgres.close(),
      () => this.database.stop(),
    );
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close();
    await rm(this.directory, { recursive: true, force: true });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  ask(method: string, route: string, call: Call = {}): Promise<Answer> {
    return callAt(this.port, [method, route], { key: this.adminKey, ...call });
  }

  /** Of somebody without a key. */
  askAsStranger(method: string, route: string, call: Call = {}): Promise<Answer> {
    return callAt(this.port, [method, route], call);
  }

  readonly post = async <Body>(route: string, body: unknown): Promise<Body> =>
    (await this.ask("POST", `/api/v1${route}`, { body })).body as Body;
}

/** `401 JOIN_REFUSED`, or `200`. */
export const said = ({ status, body, headers }: Answer): string => {
  const code: unknown = body?.code ?? headers["skerry-error"];
  return typeof code === "string" ? `${status} ${code}` : String(status);
};

/** What was said, each once and in the order of its first time. */
export const allSaid = (answers: readonly Answer[]): string => [...new Set(answers.map(said))].join(", then ");
