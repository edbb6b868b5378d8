import { readFile } from "node:fs/promises";
import { explainResponse } from "../../shared/api/v1/deployments/explain.ts";
import { systemClock } from "../../shared/base/clock.ts";
import { VERSION } from "../../shared/base/version.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { renderTable } from "../output/table.ts";
import { count } from "../output/units.ts";
import type { CommandContext } from "../run.ts";
import { printAddresses } from "./addresses.ts";
import { claimPorts } from "./claim-ports.ts";
import { classifiedColumns, classify, isConvincing, isRight } from "./classify.ts";
import { claimDirectory, type DataDirectory } from "./data-directory.ts";
import { deployDemo, DEMO_MODEL, publishModels } from "./demo-deployment.ts";
import { stopLeftoverDatabase } from "./database.ts";
import { startNodes, waitForNodes } from "./join-nodes.ts";
import { readSamples } from "./samples.ts";
import { type DevOptions, type DevSettings, readSettings } from "./settings.ts";
import { DevStack } from "./stack.ts";

const SAMPLES = 12;

/**
 * `skerry dev`: a whole Skerry on this machine. Ctrl-C after it was ready is how it is meant to end, so that is exit
 * code 0; before, it is 130.
 */
export async function dev(run: CommandContext, options: DevOptions): Promise<ExitCode> {
  const wanted = readSettings(options, run.processEnv.env, run.processEnv.cwd);
  const directory = await claimDirectory(wanted.directory, { beforeWipe: wanted.fresh ? stopLeftoverDatabase : null });
  try {
    const settings = await claimPorts(wanted, {
      forLeftovers: directory.wasKilled,
      clock: systemClock,
      signal: run.signal,
    });
    return await runStack(run, settings, directory);
  } finally {
    await directory.release();
  }
}

async function runStack(run: CommandContext, settings: DevSettings, directory: DataDirectory): Promise<ExitCode> {
  const { output, signal } = run;
  const stack = new DevStack(run, settings);
  output.say(
    `${output.wordPaint.strong(`Skerry ${VERSION}`)}, data in ${directory.path}${directory.isUsed ? ", which an earlier start left; it is used again" : ""}`,
  );
  try {
    const exitCode = await Promise.race([demonstrate(run, settings, stack, directory), stack.lost]);
    if (settings.once) return exitCode;
    stack.declareUp();
    output.say("\nIt stays up until Ctrl-C.");
    await Promise.race([aborted(signal), stack.lost]);
    return EXIT.ok;
  } finally {
    output.say(signal.aborted ? "\nStopping in order; Ctrl-C again to kill." : "Stopping.");
    await stack.stop();
    output.say("Everything has stopped.");
  }
}

/** Brings everything up, serves the model and shows it. Returns whether the answers were right, as an exit code. */
async function demonstrate(
  run: CommandContext,
  settings: DevSettings,
  stack: DevStack,
  directory: DataDirectory,
): Promise<ExitCode> {
  const { output } = run;
  await step(
    run,
    settings.databaseUrl === undefined ? "PostgreSQL (embedded)" : "PostgreSQL (DATABASE_URL)",
    async () => {
      await stack.startControlPlane(await stack.startDatabase());
    },
    "and control plane answer",
  );
  await directory.announce(stack.server);
  const api = run.apiFor({
    server: stack.server,
    apiKey: await adminKey(run, stack),
    source: "started by `skerry dev`",
  });
  const joined = await startNodes(api, settings, stack);
  output.say(
    joined.length === 0
      ? `Nodes: the ${settings.nodes.length} of the earlier start`
      : `Nodes: ${joined.join(", ")} ${joined.length === 1 ? "joins" : "join"} with a token each`,
  );
  await waitForNodes(
    run,
    api,
    settings.nodes.map(({ name }) => name),
  );
  output.say("Models:");
  await publishModels(run, api);
  output.say("Deployment:");
  const deployment = await deployDemo(run, api);
  const sites = settings.nodes.filter(({ kind }) => kind === "edge").map(({ site }) => site);
  const rows = await classify(api, DEMO_MODEL, await readSamples(SAMPLES), sites);
  output.say(
    `\nHandwritten digits that the model has not seen before, asked of the control plane from ${sites.join(" and ")} in turn:\n`,
  );
  output.data(renderTable(rows, classifiedColumns, { wide: true, paint: output.paint }));
  const right = rows.filter(isRight).length;
  output.data(`\n${right} of ${rows.length} right.`);
  if (right < rows.length)
    output.data("The model misreads 2.65 % of held-out digits; the samples were not picked to hide that.");
  await explainPlacements(run, api, deployment.name);
  await printAddresses(run, settings, { stack, api });
  if (isConvincing(rows)) return EXIT.ok;
  output.warn(`only ${right} of ${count(rows.length, "answer")} right: something is broken`);
  return EXIT.error;
}

async function step(run: CommandContext, what: string, work: () => Promise<void>, done: string): Promise<void> {
  const startedAt = systemClock.now();
  run.output.say(`Starting ${what} …`);
  await work();
  run.output.say(`${what} ${done} after ${((systemClock.now() - startedAt) / 1000).toFixed(1)} s`);
}

async function explainPlacements(run: CommandContext, api: ApiClient, name: string): Promise<void> {
  const { body } = await api.get(`/api/v1/deployments/${name}/explain`);
  const { placements } = decode(explainResponse, body, "an explanation");
  run.output.data("\nWhy the replicas are where they are:");
  for (const { node, explain } of placements) run.output.data(`  ${node.padEnd(10)} ${explain.sentence}`);
}

async function adminKey(run: CommandContext, stack: DevStack): Promise<string> {
  const given = run.processEnv.env["SKERRY_API_KEY"];
  const key = await readFile(stack.adminKeyFile, "utf8").catch(() => given ?? "");
  if (key.trim() !== "") return key.trim();
  throw new CliFailure(EXIT.notAllowed, {
    what: "there is no admin key for this database",
    why: [`${stack.adminKeyFile} is missing, and a key is only written when the database has none`],
    fix: "set SKERRY_API_KEY to an admin key of it, or begin anew with `npm start -- --fresh`",
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
