import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { ADMIN_KEY_FILE } from "../config/dev-directory.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answersOk } from "../processes/answers.ts";
import { Child, type Program } from "../processes/child.ts";
import { lastLines } from "../processes/log-file.ts";
import { CONTROL_PLANE, EDGE_NODE, programEnvironment } from "../processes/programs.ts";
import { ReleaseStack } from "../processes/release-stack.ts";
import { Supervised } from "../processes/supervised.ts";
import type { CommandContext } from "../run.ts";
import { type DatabaseUrls, DevDatabase } from "./database.ts";
import type { DevNode, DevSettings } from "./settings.ts";

const START_TIMEOUT_MS = 90_000;
const STOP_GRACE_MS = 15_000;
/** Cloud nodes beside those of the settings: none until a deployment asks for more than these hold, two at most. */
const CLOUD_POOL = "local=process:0-2";
/** Lines of its log that are shown when a program does not come up. */
const SHOWN_LINES = 15;

/** The processes of one `skerry dev`: started one behind the other, stopped in reverse. */
export class DevStack {
  readonly #run: CommandContext;
  readonly #settings: DevSettings;
  readonly #releases: ReleaseStack;
  readonly #supervised: Supervised[] = [];
  /** Rejects when a program without which nothing goes on has been given up. */
  readonly #lost = Promise.withResolvers<never>();
  #isUp = false;

  constructor(run: CommandContext, settings: DevSettings) {
    this.#run = run;
    this.#settings = settings;
    this.#releases = new ReleaseStack((name, error) =>
      run.output.warn(`${name} did not stop in order: ${String(error)}`),
    );
    // Nobody may be waiting yet when it rejects; that must not end the process.
    this.#lost.promise.catch(() => {});
    run.processEnv.interrupts.onForce(() => this.#killAll());
  }

  get server(): string {
    return `http://127.0.0.1:${this.#settings.port}`;
  }

  get adminKeyFile(): string {
    return join(this.#settings.directory, ADMIN_KEY_FILE);
  }

  /** Rejects when the control plane, or before `declareUp` any program, cannot be kept running. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /** From now on a node that is given up is reported, and the rest goes on. */
  declareUp(): void {
    this.#isUp = true;
  }

  /** Starts PostgreSQL unless one is given. */
  async startDatabase(): Promise<DatabaseUrls> {
    const { databaseUrl: url } = this.#settings;
    if (url !== undefined) return { url, migrationUrl: undefined };
    const database = new DevDatabase(this.#settings.directory, {
      report: (sentence) => this.#run.output.say(sentence),
      onGivenUp: (why) => this.#lost.reject(notUp(why, join(this.#settings.directory, "postgres", "postgres.log"))),
    });
    this.#releases.push("PostgreSQL", () => database.stop());
    return database.start();
  }

  async startControlPlane({ url, migrationUrl }: DatabaseUrls): Promise<void> {
    const { directory, port } = this.#settings;
    await this.#start({
      name: "control plane",
      ...CONTROL_PLANE,
      logFile: await this.#logFile("control-plane"),
      env: programEnvironment(this.#run.processEnv.env, {
        DATABASE_URL: url,
        ...(migrationUrl !== undefined && { SKERRY_MIGRATION_URL: migrationUrl }),
        SKERRY_HOST: "127.0.0.1",
        SKERRY_PORT: String(port),
        SKERRY_DATA_DIR: await privateFolder(join(directory, "artifacts")),
        SKERRY_ADMIN_KEY_FILE: this.adminKeyFile,
        SKERRY_CLOUD_POOLS: CLOUD_POOL,
      }),
    });
    await this.#untilAnswers("the control plane", `${this.server}/readyz?for=admin`, "control-plane");
  }

  /** `joinToken`: for a node that has no identity yet. */
  async startNode(node: DevNode, joinToken: string | undefined): Promise<void> {
    await this.#start({
      name: node.name,
      ...EDGE_NODE,
      logFile: await this.#logFile(node.name),
      env: programEnvironment(this.#run.processEnv.env, {
        SKERRY_STATE_DIR: await privateFolder(this.nodeDirectory(node)),
        SKERRY_LOCAL_PORT: String(node.port),
        SKERRY_URL: this.server,
        SKERRY_NODE_NAME: node.name,
        SKERRY_NODE_KIND: node.kind,
        ...(joinToken === undefined ? {} : { SKERRY_JOIN_TOKEN: joinToken }),
      }),
    });
  }

  nodeDirectory(node: DevNode): string {
    return join(this.#settings.directory, "nodes", node.name);
  }

  hasIdentity(node: DevNode): boolean {
    return existsSync(join(this.nodeDirectory(node), "identity.json"));
  }

  /** Stops everything, the last started first. */
  stop(): Promise<void> {
    return this.#releases.releaseAll();
  }

  async #start(program: Program): Promise<void> {
    const one = new Supervised(program, {
      clock: systemClock,
      spawn: (what) => new Child(what),
      report: (sentence) => this.#run.output.say(sentence),
      onGivenUp: (what, { how }) => this.#onGivenUp(what, how),
    });
    this.#supervised.push(one);
    this.#releases.push(program.name, () => one.stop(STOP_GRACE_MS));
    one.start();
  }

  #onGivenUp(program: Program, how: string): void {
    const lines = lastLines(program.logFile, SHOWN_LINES);
    if (this.#isUp && program.script !== CONTROL_PLANE.script) {
      this.#run.output.warn(
        `${program.name} stays away; the end of ${program.logFile}:\n${lines.map((line) => `  ${line}`).join("\n")}`,
      );
      return;
    }
    this.#lost.reject(notUp(`${program.name} does not stay up (${how})`, program.logFile));
  }

  async #untilAnswers(what: string, url: string, log: string): Promise<void> {
    const end = systemClock.now() + START_TIMEOUT_MS;
    while (!(await Promise.race([answersOk(url, this.#run.signal), this.lost]))) {
      if (systemClock.now() >= end)
        throw notUp(`${what} does not answer at ${url} after ${START_TIMEOUT_MS / 1000} s`, await this.#logFile(log));
      await Promise.race([sleep(systemClock, 100, this.#run.signal), this.lost]);
    }
  }

  async #logFile(name: string): Promise<string> {
    const folder = join(this.#settings.directory, "logs");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return join(folder, `${name}.log`);
  }

  #killAll(): void {
    for (const one of this.#supervised) one.kill();
  }
}

async function privateFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

function notUp(what: string, logFile: string): CliFailure {
  return new CliFailure(EXIT.error, {
    what,
    why: [["its log ends with", ...lastLines(logFile, SHOWN_LINES)].join("\n")],
    fix: `read ${logFile}; \`npm start -- --fresh\` begins with empty data`,
  });
}
