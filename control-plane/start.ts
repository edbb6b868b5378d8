import { open, readFile, rename, rm } from "node:fs/promises";
import { pino } from "pino";
import { systemClock } from "../shared/base/clock.ts";
import { REDACTION } from "../shared/base/logging/log-redaction.ts";
import { messageOf } from "../shared/base/errors.ts";
import { exitWithLog, LOG_BACKLOG_BYTES } from "../shared/base/logging/exit-with-log.ts";
import { systemRandom } from "../shared/base/random.ts";
import { LIMITS } from "./adapters/http/server/limits.ts";
import { HttpServer } from "./adapters/http/server/server.ts";
import type { PostgresStores } from "./adapters/postgres/postgres.ts";
import type { ControlPlane } from "./compose.ts";
import { openTls } from "./compose/open-tls.ts";
import { isSettingsError, settingsError } from "./settings/settings-error.ts";
import { readConfig, type Config } from "./config.ts";
import { refuseWeakSettings } from "./settings/refuse-weak.ts";

/** EX_CONFIG of sysexits.h: starting again will not help. */
const EXIT_CONFIG = 78;

/**
 * Listens, starts the control plane, and serves until a signal says otherwise. `onLoaded`: called when the whole program is
 * loaded and nothing is served yet, so that it may take its time.
 */
export async function start({ onLoaded }: { readonly onLoaded: () => void }): Promise<void> {
  const config = configOrExit();
  const log = pino.destination({ dest: 2, maxLength: LOG_BACKLOG_BYTES });
  const exit = exitWithLog(log);
  const logger = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: REDACTION },
    log,
  );
  process.on("uncaughtException", (error) => {
    logger.error({ err: error }, "the control plane cannot go on");
    exit(1);
  });
  /** Set when the control plane serves. */
  let serving: { readonly controlPlane: ControlPlane; readonly postgres: PostgresStores } | undefined;
  const stopping = new AbortController();
  const stop = async (why: string): Promise<void> => {
    if (stopping.signal.aborted) return;
    stopping.abort(new Error(why));
    logger.info({ why }, "the control plane stops");
    // Until it serves there is nothing to finish, and the database that the start waits for may never come.
    await serving?.controlPlane.stop();
    await serving?.postgres.close();
    exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  if (config.exitWithParent) process.stdin.on("end", () => void stop("the parent went away")).resume();

  await refuseWeakSettings(config).catch(exitOnSettings);
  // Before everything that takes time: a caller or a node that comes meanwhile waits instead of being refused.
  const tls = await openTls(config, { clock: systemClock, logger }).catch(exitOnSettings);
  const certificates = tls.server?.certificates;
  const http = new HttpServer({ clock: systemClock, limits: LIMITS, ...(certificates && { certificates }) });
  const port = await http.listen({ host: config.host, port: config.port });
  const { createPostgres, waitForPostgres, composeControlPlane } = await loadProgram();
  onLoaded();
  const parts = { clock: systemClock, random: systemRandom, logger };
  const postgres = await waitForPostgres(
    () => createPostgres({ url: config.databaseUrl, migrationUrl: config.migrationUrl, ...parts }),
    parts,
  );
  await refuseWeakSettings(config).catch(exitOnSettings); // the database may not have answered before
  const controlPlane = await composeControlPlane(config, { postgres, http, tls, ...parts }).catch(exitOnSettings);
  await controlPlane.start();
  await waitForPostgres(() => haveFirstKey(config, controlPlane), parts).catch(exitOnSettings);
  if (stopping.signal.aborted) return; // `stop` ends the process
  controlPlane.open();
  serving = { controlPlane, postgres };
  const grpcPort =
    config.grpcPort === undefined
      ? undefined
      : await controlPlane.grpc.listen({ host: config.host, port: config.grpcPort });
  // A pin is no secret: it is what callers check this control plane by.
  logger.info({ host: config.host, port, grpcPort, tlsPin: tls.server?.pin }, "the control plane listens");
}

/** Loads what is most of the program: it takes longer than all the rest of a start. */
async function loadProgram() {
  const [postgres, waiting, compose] = await Promise.all([
    import("./adapters/postgres/postgres.ts"),
    import("./adapters/postgres/wait-for-postgres.ts"),
    import("./compose.ts"),
  ]);
  return { ...postgres, ...waiting, ...compose };
}

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    return exitOnSettings(error);
  }
}

function exitOnSettings(error: unknown): never {
  if (!isSettingsError(error)) throw error;
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(EXIT_CONFIG);
}

/**
 * The first admin key comes from its file, or goes into it, which only its owner reads, and nowhere else. The file is opened
 * before the key is made: a key that could not be written would lock everybody out.
 */
async function haveFirstKey({ adminKeyFile }: Config, { keys }: ControlPlane): Promise<void> {
  if (adminKeyFile === undefined) return;
  const given = await readFile(adminKeyFile, "utf8").catch(unlessMissing);
  if (given !== undefined) {
    if (await keys.takeFirstKey(given.trim())) return;
    throw settingsError([
      `  SKERRY_ADMIN_KEY_FILE: ${adminKeyFile} holds no key sk_ID_SECRET, and there is no key yet.`,
    ]);
  }
  const temporary = `${adminKeyFile}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    const key = await keys.mintFirstKey();
    if (key === null) return await rm(temporary);
    await file.writeFile(`${key}\n`);
    await file.sync();
    await rename(temporary, adminKeyFile);
  } finally {
    await file.close();
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
