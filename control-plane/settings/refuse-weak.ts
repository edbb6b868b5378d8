import { readFile } from "node:fs/promises";
import { systemClock } from "../../shared/base/clock.ts";
import { parseApiKey } from "../app/access/api-key-format.ts";
import type { Config } from "../config.ts";
import { settingsError } from "./settings-error.ts";
import { weakFacts, weakSettings } from "./weak-settings.ts";

/**
 * In production: throws a `settingsError` that lists all weak settings, those that only the database knows with them if it
 * answers now. Call it again when it does.
 */
export async function refuseWeakSettings(config: Config): Promise<void> {
  if (!config.isProduction) return;
  const { databaseFacts } = await import("../adapters/postgres/database-facts.ts");
  const given = { config, env: process.env, execArgv: process.execArgv, uid: process.getuid?.() };
  const keyId = await firstKeyId(config.adminKeyFile);
  const facts = await databaseFacts(config.databaseUrl, keyId);
  const lines = [
    ...weakSettings(given),
    ...(facts === null
      ? []
      : weakFacts({
          clockAheadMs: systemClock.wallNow() - facts.now,
          firstKeyLeft: facts.hasKeyBesideOther ? keyId : undefined,
        })),
  ];
  if (lines.length > 0) throw settingsError(lines, "these settings are too weak for production (SKERRY_PRODUCTION=1)");
}

/** Undefined: there is no file yet, or no key in it. */
async function firstKeyId(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, "utf8").catch(() => "");
  return parseApiKey(text.trim())?.id;
}
