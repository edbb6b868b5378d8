import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";
import { requireSystemd, systemctl } from "./systemd.ts";
import { KEYS_FILE, SETTINGS_FILE, STATE_FOLDER, UNIT, UNIT_FILE } from "./unit.ts";

/** `skerry join --uninstall-service`: drains and stops the service and takes its files away; the node's data stays. */
export async function uninstallService(run: CommandContext): Promise<ExitCode> {
  requireSystemd("--uninstall-service");
  if (!existsSync(UNIT_FILE))
    throw new CliFailure(EXIT.notFound, { what: `there is no service ${UNIT} here (${UNIT_FILE} is missing)` });
  await systemctl("disable", "--now", UNIT);
  for (const file of [UNIT_FILE, SETTINGS_FILE, KEYS_FILE]) await rm(file, { force: true });
  await systemctl("daemon-reload");
  run.output.say(`${UNIT} has stopped; ${UNIT_FILE}, ${SETTINGS_FILE} and ${KEYS_FILE} are removed`);
  run.output.say(
    `The node's identity and models are still in ${STATE_FOLDER}: --install-service makes it the same node again.\n` +
      `To remove them: rm -r /var/lib/private/skerry ${STATE_FOLDER}`,
  );
  run.output.next("nodes rm NAME   (where the operator is: takes the node out of the fleet)");
  return EXIT.ok;
}
