import { rm } from "node:fs/promises";
import { createdJoinToken, node, type Node } from "../../shared/api/v1/nodes/nodes.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { LiveLines } from "../output/live-lines.ts";
import type { CommandContext } from "../run.ts";
import { waitUntil } from "../wait/wait-until.ts";
import type { DevSettings } from "./settings.ts";
import type { DevStack } from "./stack.ts";

/** Starts the nodes; one without an identity gets a join token first. Returns the names of those that joined anew. */
export async function startNodes(api: ApiClient, settings: DevSettings, stack: DevStack): Promise<readonly string[]> {
  const known = new Map((await readList(api, "/api/v1/nodes", node)).items.map((one) => [one.name, one]));
  const joined: string[] = [];
  for (const one of settings.nodes) {
    const there = known.get(one.name);
    // An identity that this control plane does not know (another database, or it was revoked) will never be let in.
    if (stack.hasIdentity(one) && (there === undefined || there.state === "revoked"))
      await rm(stack.nodeDirectory(one), { recursive: true, force: true });
    const token = stack.hasIdentity(one) ? undefined : await makeToken(api, one, there);
    if (token !== undefined) joined.push(one.name);
    await stack.startNode(one, token);
  }
  return joined;
}

async function makeToken(
  api: ApiClient,
  { name, kind, site }: DevSettings["nodes"][number],
  there: Node | undefined,
): Promise<string> {
  // The name is taken by a node whose key is lost, e.g. because its folder was deleted.
  if (there !== undefined && there.state !== "revoked") await api.delete(`/api/v1/nodes/${encodeURIComponent(name)}`);
  const { body } = await api.post("/api/v1/join-tokens", { kind, site, name });
  return decode(createdJoinToken, body, "a join token").token;
}

/** Waits until all nodes are connected and may serve. */
export async function waitForNodes(run: CommandContext, api: ApiClient, names: readonly string[]): Promise<void> {
  const lines = new LiveLines(run.output);
  let states = new Map<string, string>();
  try {
    await waitUntil(
      run,
      async () => {
        const { items } = await readList(api, "/api/v1/nodes", node);
        states = new Map(names.map((name) => [name, items.find((one) => one.name === name)?.state ?? "joining"]));
        lines.show(new Map([...states].map(([name, state]) => [name, `  ${name.padEnd(12)} ${state}`])));
        return [...states.values()].every((state) => state === "ready");
      },
      200,
    );
  } catch (error) {
    if (!Error.isError(error) || error.name !== "WaitTimeout") throw error;
    const missing = [...states].filter(([, state]) => state !== "ready").map(([name, state]) => `${name} is ${state}`);
    throw new CliFailure(EXIT.unmet, {
      what: "not all nodes became ready",
      why: missing,
      fix: "read their logs in .skerry/logs",
    });
  } finally {
    lines.end({ keep: true });
  }
}
