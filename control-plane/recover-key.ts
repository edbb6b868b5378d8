import { hostname, userInfo } from "node:os";
import { keyLimits } from "../shared/api/v1/access/keys.ts";
import { systemClock } from "../shared/base/clock.ts";
import { messageOf } from "../shared/base/errors.ts";
import type { Logger } from "../shared/base/logging/logger.ts";
import { systemRandom } from "../shared/base/random.ts";
import { createPostgres } from "./adapters/postgres/postgres.ts";
import { keys } from "./adapters/system/ed25519.ts";
import { ApiKeys } from "./app/access/api-keys.ts";

/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;
/** Longer than a control plane waits: an operator runs this once, perhaps as the database is busy. */
const ANSWER_MS = 20_000;
const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Makes an admin key in the database of DATABASE_URL and prints it, for an operator whose last one is lost. Who may
 * write to the database may do so anyway; this way it is in the audit log. Changes nothing of the schema.
 */
async function main(): Promise<number> {
  const url = process.env["DATABASE_URL"];
  if (url === undefined || url === "") {
    process.stderr.write("DATABASE_URL is not set: the postgresql:// URL of the control plane's database\n");
    return EXIT_CONFIG;
  }
  const parts = { clock: systemClock, random: systemRandom, logger: silent };
  const postgres = await createPostgres({ url, migrate: false, answerMs: ANSWER_MS, ...parts });
  try {
    const apiKeys = new ApiKeys({ store: postgres.keys, keys, ...parts });
    const who = `${userInfo().username}@${hostname()}`;
    const { id, key } = await apiKeys.create(
      {
        name: "recovered-admin",
        role: "admin",
        models: [],
        modelLabels: {},
        deployments: [],
        limits: keyLimits.parse({}),
      },
      {
        name: `keys recover (${who})`,
        role: "admin",
        keyId: null,
        models: [],
        address: "database",
        requestId: "keys-recover",
      },
    );
    process.stdout.write(`${JSON.stringify({ id, key })}\n`);
    return 0;
  } finally {
    await postgres.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
