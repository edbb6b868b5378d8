import { TOKEN_PREFIX } from "../../../shared/api/v1/access/login.ts";
import { isApiFailure } from "../../api/problem.ts";
import { configPath, readConfig, writeConfig } from "../../config/config-file.ts";
import type { CommandContext } from "../../run.ts";

/** Ends the session of the current target, and forgets its key or token wherever the configuration holds it. */
export async function logout(run: CommandContext): Promise<void> {
  const target = await run.target();
  const { apiKey, server } = target;
  if (apiKey === undefined) {
    run.output.say(`There is no key for ${server}: nothing to forget.`);
    return;
  }
  if (apiKey.startsWith(TOKEN_PREFIX)) await endSession(run);
  const path = configPath(run.processEnv.env);
  const config = await readConfig(path);
  const contexts = Object.fromEntries(
    Object.entries(config.contexts).map(([name, { apiKey: kept, ...entry }]) => [
      name,
      kept === undefined || kept === apiKey ? entry : { ...entry, apiKey: kept },
    ]),
  );
  await writeConfig(path, { ...config, contexts });
  run.output.say(
    apiKey.startsWith(TOKEN_PREFIX)
      ? `Logged out of ${server}: the session has ended.`
      : `The key for ${server} is forgotten here. It stays good: an admin revokes it with \`skerry keys rm\`.`,
  );
  run.output.next("login");
}

/** One that has ended already is no failure. */
async function endSession(run: CommandContext): Promise<void> {
  try {
    await (await run.api()).delete("/api/v1/session");
  } catch (error) {
    if (!(isApiFailure(error) && error.status === 401)) throw error;
  }
}
