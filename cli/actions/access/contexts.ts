import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { configPath, readConfig, writeConfig } from "../../config/config-file.ts";
import { findRunningDev } from "../../config/dev-directory.ts";
import { DEV_CONTEXT } from "../../config/resolve-target.ts";
import { printList, type View } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

interface Row {
  readonly name: string;
  readonly server: string;
  readonly hasKey: boolean;
  readonly current: boolean;
}

const view: View<Row> = {
  name: (row) => row.name,
  columns: [
    { header: "", value: (row) => (row.current ? "*" : " ") },
    { header: "NAME", value: (row) => row.name },
    { header: "SERVER", value: (row) => row.server },
    { header: "KEY", value: (row) => (row.hasKey ? "yes" : "none") },
  ],
};

export async function listContexts(run: CommandContext): Promise<void> {
  const { env, cwd } = run.processEnv;
  const config = await readConfig(configPath(env));
  const dev = findRunningDev(cwd);
  const rows: Row[] = Object.entries(config.contexts).map(([name, { server, apiKey }]) => ({
    name,
    server,
    hasKey: apiKey !== undefined,
    current: name === config.current,
  }));
  if (dev !== null && !rows.some(({ name }) => name === DEV_CONTEXT)) {
    rows.push({
      name: DEV_CONTEXT,
      server: dev.server,
      hasKey: dev.apiKey !== undefined,
      current: config.current === null,
    });
  }
  // The keys stay in the file: what is printed ends in logs and screenshots.
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: { items: rows, nextCursor: null },
    rows,
    view,
    empty: "No context is set. Make one with `skerry login`, or start a Skerry with `npm start`.",
  });
  const target = await run.target();
  run.output.say(
    `A command now speaks to ${target.server}, ${target.source}${target.apiKey === undefined ? ", without a key" : ""}.`,
  );
}

export async function useContext(run: CommandContext, name: string): Promise<void> {
  const path = configPath(run.processEnv.env);
  const config = await readConfig(path);
  if (!Object.hasOwn(config.contexts, name) && name !== DEV_CONTEXT)
    throw unknownContext(name, Object.keys(config.contexts));
  await writeConfig(path, {
    ...config,
    current: name === DEV_CONTEXT && !Object.hasOwn(config.contexts, name) ? null : name,
  });
  run.output.say(`Commands speak to ${name} now.`);
  run.output.next("whoami");
}

export async function removeContext(run: CommandContext, name: string): Promise<void> {
  const path = configPath(run.processEnv.env);
  const config = await readConfig(path);
  if (!Object.hasOwn(config.contexts, name)) throw unknownContext(name, Object.keys(config.contexts));
  const { [name]: _removed, ...contexts } = config.contexts;
  await writeConfig(path, { contexts, current: config.current === name ? null : config.current });
  run.output.say(`Context ${name} and its key are forgotten.`);
  run.output.next("context");
}

function unknownContext(name: string, known: readonly string[]): CliFailure {
  return new CliFailure(EXIT.notFound, {
    what: `there is no context named "${name}"`,
    why: [known.length === 0 ? "none is known" : `known: ${known.join(", ")}`],
    fix: "make one with `skerry login --server URL`",
  });
}
