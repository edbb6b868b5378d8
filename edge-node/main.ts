import path from "node:path";
import { pino } from "pino";
import { REDACTION } from "../shared/base/logging/log-redaction.ts";
import { systemClock } from "../shared/base/clock.ts";
import { isSkerryError, messageOf } from "../shared/base/errors.ts";
import { exitWithLog, LOG_BACKLOG_BYTES } from "../shared/base/logging/exit-with-log.ts";
import { systemRandom } from "../shared/base/random.ts";
import { DRAIN_MS } from "../shared/protocol/limits.ts";
import { composeNode, type Node } from "./compose.ts";
import { type Config, readConfig } from "./config.ts";

/** EX_CONFIG of sysexits.h: starting again will not help. */
const EXIT_CONFIG = 78;

async function main(): Promise<void> {
  const config = configOrExit();
  const log = pino.destination({ dest: 2, maxLength: LOG_BACKLOG_BYTES });
  const exit = exitWithLog(log);
  const logger = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: REDACTION },
    log,
  );
  process.on("uncaughtException", (error) => {
    logger.error({ err: error }, "the node cannot go on");
    exit(1);
  });
  const stopping = new AbortController();
  let node: Node | undefined;
  const stop = async (why: string): Promise<void> => {
    if (stopping.signal.aborted) return;
    logger.info({ why }, "the node stops");
    stopping.abort(new Error(why));
    await node?.stop(DRAIN_MS);
    exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  if (config.exitWithParent) process.stdin.on("end", () => void stop("the parent went away")).resume();

  const start = async (): Promise<void> => {
    const parts = { clock: systemClock, random: systemRandom, logger, signal: stopping.signal };
    try {
      node = await composeNode(config, { ...parts, rejoin: () => void again() });
      await node.start();
    } catch (error) {
      if (stopping.signal.aborted) return; // `stop` ends the process
      logger.error({ error: messageOf(error) }, "the node cannot start");
      return exit(isFinal(error) ? EXIT_CONFIG : 1);
    }
    const { localHost: host, localPort: port, stateDir } = config;
    logger.info({ host, port, stateDir: path.resolve(stateDir) }, "the node is up");
  };
  const again = async (): Promise<void> => {
    logger.info({}, "this node was removed, and there is a new join token: it joins again");
    await node?.stop(DRAIN_MS);
    if (!stopping.signal.aborted) await start();
  };
  await start();
}

/** A join that was refused stays refused; a port that is taken may be free in a moment. */
const isFinal = (error: unknown): boolean =>
  isSkerryError(error) && ["JOIN_REFUSED", "NAME_TAKEN", "INVALID_REQUEST"].includes(error.code);

function configOrExit(): Config {
  try {
    return readConfig(process.env, process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(EXIT_CONFIG);
  }
}

await main();
