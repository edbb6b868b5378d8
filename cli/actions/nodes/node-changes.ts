import { node } from "../../../shared/api/v1/nodes/nodes.ts";
import type { ApiClient } from "../../api/client.ts";
import { decode } from "../../api/client.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import { LiveLines } from "../../output/live-lines.ts";
import { count } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { waitUntil } from "../../wait/wait-until.ts";

const pathOf = (name: string, verb = ""): string => `/api/v1/nodes/${encodeURIComponent(name)}${verb}`;

export async function cordonNode(run: CommandContext, name: string): Promise<void> {
  await change(run, name, "/cordon");
  run.output.say(`${name} is cordoned: it gets nothing new, and what runs there goes on.`);
  run.output.next(`nodes drain ${name} --wait`);
}

export async function uncordonNode(run: CommandContext, name: string): Promise<void> {
  await change(run, name, "/uncordon");
  run.output.say(`${name} may take models again.`);
  run.output.next(`nodes get ${name}`);
}

export interface DrainOptions {
  /** In seconds. */
  readonly deadline?: number;
  readonly force?: boolean;
}

/** The deadline is the control plane's: it holds also when this command has ended. */
export async function drainNode(run: CommandContext, name: string, { deadline, force }: DrainOptions): Promise<void> {
  if (force === true && deadline === undefined)
    throw usageFailure(
      "--force says what becomes of what is left at the deadline, and there is none",
      `give one: skerry nodes drain ${name} --deadline 600 --force`,
    );
  const api = await run.api();
  const ask = { deadlineSeconds: deadline, ...(force === true && { atDeadline: "remove" }) };
  await change(run, name, "/drain", deadline === undefined ? undefined : ask);
  const then = force === true ? "what is left is removed then" : "what is left is named then";
  const within = deadline === undefined ? "" : ` It has ${count(deadline, "second")}; ${then}.`;
  run.output.say(`${name} is draining: its models move elsewhere, where they can.${within}`);
  if (run.globals.wait) {
    await waitUntilEmpty(run, api, name);
    run.output.say(`${name} is empty.`);
  }
  run.output.next(run.globals.wait ? `nodes uncordon ${name}` : `nodes describe ${name}`);
}

export async function approveNode(
  run: CommandContext,
  name: string,
  { key }: { readonly key?: string },
): Promise<void> {
  const api = await run.api();
  const { body } = await api.post(pathOf(name, "/approve"), key === undefined ? {} : { publicKey: key });
  await printAnswer(run, body);
  run.output.say(`${name} is approved: it connects within some 15 seconds.`);
  run.output.next(`nodes get ${name}`);
}

export async function rejectNode(run: CommandContext, name: string): Promise<void> {
  await (await run.api()).post(pathOf(name, "/reject"));
  run.output.say(`${name} is rejected: its key is void.`);
  run.output.next("nodes ls");
}

/** Refused when somebody changes the node meanwhile. */
export async function renameNode(run: CommandContext, node: string, name: string): Promise<void> {
  const api = await run.api();
  const { headers } = await api.get(pathOf(node));
  const { body } = await api.patch(pathOf(node), { name }, headers.get("etag"));
  await printAnswer(run, body);
  run.output.say(`${node} is called ${name} now. Selectors and files that name it have to be changed by you.`);
  run.output.next(`nodes get ${name}`);
}

/** Refused when somebody changes the node meanwhile. */
export async function setPlace(
  run: CommandContext,
  name: string,
  { site, zone }: { readonly site?: string; readonly zone?: string },
): Promise<void> {
  if (site === undefined && zone === undefined) throw usageFailure("nothing to set", "give `--site`, `--zone` or both");
  const api = await run.api();
  const { body: before, headers } = await api.get(pathOf(name));
  const was = decode(node, before, "a node");
  const place = { ...(site !== undefined && { site }), ...(zone !== undefined && { zone }) };
  const { body } = await api.patch(pathOf(name), place, headers.get("etag"));
  await printAnswer(run, body);
  const is = decode(node, body, "a node");
  run.output.say(`${name} is at site ${is.site}, in zone ${is.zone}.`);
  if (zone === undefined && was.zone === was.site && is.zone !== is.site)
    run.output.say(`Its zone is still that of its old site; \`--zone ${is.site}\` changes it, too.`);
  run.output.next(`nodes get ${name} -o wide`);
}

export async function removeNode(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const { headers } = await api.get(pathOf(name));
  const { body } = await api.delete(pathOf(name), headers.get("etag"));
  await printAnswer(run, body);
  run.output.say(`${name} is removed: its connections are closed and its key is void.`);
  run.output.say(
    "Its machine keeps the models and serves them on its own address until the node is stopped; delete its state folder there. " +
      "To join again in the same folder it needs a new token.",
  );
  run.output.next("nodes ls");
}

async function change(run: CommandContext, name: string, verb: string, ask?: object): Promise<void> {
  const { body } = await (await run.api()).post(pathOf(name, verb), ask);
  await printAnswer(run, body);
}

async function printAnswer(run: CommandContext, body: unknown): Promise<void> {
  if (isMachineFormat(run.globals.format) && body !== undefined) await printRaw(run.output, run.globals.format, body);
}

const overdue = (name: string, waitsFor: readonly string[]): CliFailure =>
  new CliFailure(EXIT.unmet, {
    what: `the drain of ${name} is past its deadline, and goes on`,
    why: waitsFor,
    fix: `look where its models could go with \`skerry explain\`, or remove them with \`skerry nodes drain ${name} --deadline 1 --force\``,
  });

async function waitUntilEmpty(run: CommandContext, api: ApiClient, name: string): Promise<void> {
  const lines = new LiveLines(run.output);
  let left = "";
  try {
    await waitUntil(run, async () => {
      const found = decode(node, (await api.get(pathOf(name))).body, "a node");
      left = found.placements.map(({ model, version, state }) => `${model}:${version} ${state}`).join(", ");
      lines.show(new Map([[name, `  ${name}  ${found.placements.length === 0 ? "empty" : `still holds ${left}`}`]]));
      const isOverdue = found.drain?.overdue === true && found.drain.atDeadline === "wait";
      if (isOverdue) throw overdue(name, found.drain?.waitsFor ?? []);
      return found.placements.length === 0;
    });
  } catch (error) {
    if (!Error.isError(error) || error.name !== "WaitTimeout") throw error;
    throw new CliFailure(EXIT.unmet, {
      what: `${name} is not empty after ${count(Math.round(run.waitTimeoutMs / 1000), "second")}`,
      why: [`it still holds ${left}`],
      fix: "look where its models could go with `skerry explain`, or allow more time with `--timeout`",
    });
  } finally {
    lines.end({ keep: false });
  }
}
