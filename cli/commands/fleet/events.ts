import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";

/** `skerry events`, `skerry audit`. */
export function registerEvents(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("events")
      .description("what happened in the fleet")
      .option("-w, --watch", "go on and print events as they happen")
      .option("--object <kind/name>", "only events of this object, e.g. node/edge-a")
      .option("--limit <count>", "how many of the newest", wholeNumber(1), 50)
      .action((options: { watch?: boolean; object?: string; limit: number }, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/events.ts")).showEvents(run, options)),
      ),
    "skerry events -w",
    "skerry events --object deployment/digits",
  );
  const audit = program.command("audit");
  withExamples(
    audit
      .description("who changed what (needs an admin key)")
      .option("--limit <count>", "how many of the newest", wholeNumber(1), 50)
      .action((options: { limit: number }, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/access/audit.ts")).showAudit(run, options)),
      ),
    "skerry audit --limit 20",
  );
  withExamples(
    audit
      .command("verify")
      .description("follow the chain of the audit log, and name every entry that was changed, deleted or inserted")
      .option("--noted <entries...>", "hashes that were noted outside the database, ENTRY:HASH as the log has them")
      .action((options: { noted?: readonly string[] }, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/access/verify-audit.ts")).verifyAudit(run, options),
        ),
      ),
    "skerry audit verify",
  );
}
