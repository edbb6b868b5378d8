import {
  type CreateJoinToken,
  createdJoinToken,
  createJoinToken,
  joinToken,
  type JoinTokenInfo,
} from "../../../shared/api/v1/nodes/nodes.ts";
import { decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { usageFailure } from "../../failure.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import { formatAge, formatSince } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

export interface TokenOptions {
  readonly printJoin?: boolean;
  readonly kind: string;
  readonly site: string;
  readonly zone?: string;
  readonly name?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly ttl?: number;
  readonly uses?: number;
  readonly needsApproval?: boolean;
  readonly replaces?: string;
  readonly why?: string;
}

/** The line that a technician pastes. From a clone this is how the tool is started: `npx skerry` would look for a stranger's package. */
export const joinLine = (token: string, server: string): string =>
  `echo ${token} | npm run -s skerry -- join - --server ${server}`;

export async function createToken(run: CommandContext, options: TokenOptions): Promise<void> {
  const api = await run.api();
  const { body } = await api.post(...asked(options));
  const made = decode(createdJoinToken, body, "a join token");
  const line = joinLine(made.token, api.target.server);
  if (options.printJoin === true) {
    run.output.data(line);
  } else {
    await printObject(run.output, run.globals.format, { raw: body, name: made.id, describe: () => made.token });
  }
  run.output.say(
    `Good for ${made.uses === 1 ? `one ${made.kind} node` : `${made.uses} ${made.kind} nodes`} at ${made.site}, for ${formatAge(Date.parse(made.expiresAt) - Date.now())}. It is shown this once.`,
  );
  if (made.replaces !== null)
    run.output.say(
      `What joins with it under this name takes the place of ${options.replaces}, whose key is void then.`,
    );
  if (made.needsApproval) run.output.say("What joins with it waits until it is approved: skerry nodes approve NAME.");
  if (options.printJoin !== true) run.output.say(`On the device: ${line}`);
  run.output.next("nodes ls");
}

/** Path and body of the request. What a node is like that takes another's place is that one's. */
function asked(options: TokenOptions): [path: string, body: object] {
  const { replaces, why, ttl } = options;
  if (replaces === undefined) {
    if (why !== undefined) throw usageFailure("--why is for --replaces", "name the node that is replaced");
    return ["/api/v1/join-tokens", tokenRequest(options)];
  }
  if (why === undefined) throw usageFailure("--replaces needs --why", 'e.g. --why "its disk is broken"');
  const path = `/api/v1/nodes/${encodeURIComponent(replaces)}/replace`;
  return [path, { why, ...(ttl !== undefined && { ttlSeconds: ttl }) }];
}

/** The request's body; refuses here what the server would refuse, naming the option. */
export function tokenRequest(options: TokenOptions): CreateJoinToken {
  const { kind, site, zone, name, label = {}, ttl, uses, needsApproval } = options;
  const asked = createJoinToken.safeParse({
    kind,
    site,
    labels: label,
    ...(zone === undefined ? {} : { zone }),
    ...(name === undefined ? {} : { name }),
    ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
    ...(uses === undefined ? {} : { uses }),
    ...(needsApproval === undefined ? {} : { needsApproval }),
  });
  if (asked.success) return asked.data;
  const issue = asked.error.issues[0];
  const option = { labels: "label", ttlSeconds: "ttl" }[String(issue?.path[0])] ?? String(issue?.path[0]);
  throw usageFailure(`--${option}: ${issue?.message ?? "not valid"}`, "names are a–z, 0–9 and `-`");
}

const view: View<JoinTokenInfo> = {
  name: (row) => row.id,
  columns: [
    { header: "ID", value: (row) => row.id },
    { header: "KIND", value: (row) => row.kind },
    { header: "SITE", value: (row) => row.site },
    { header: "ZONE", value: (row) => row.zone, wide: true },
    { header: "FOR", value: (row) => row.name ?? "any name" },
    { header: "STATE", value: tokenState },
    { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
  ],
};

function tokenState(row: JoinTokenInfo): string {
  if (row.used >= row.uses && row.usedAt !== null)
    return `used by ${row.uses === 1 ? (row.usedBy ?? "a node") : `${row.used} nodes`} ${formatSince(row.usedAt, Date.now())} ago`;
  const leftMs = Date.parse(row.expiresAt) - Date.now();
  const asks = row.needsApproval ? ", needs approval" : "";
  const left = row.uses === 1 ? "" : `, ${row.uses - row.used} of ${row.uses} uses left`;
  return leftMs > 0 ? `good for ${formatAge(leftMs)}${left}${asks}` : "expired";
}

export async function listTokens(run: CommandContext): Promise<void> {
  const { raw, items } = await readList(await run.api(), "/api/v1/join-tokens", joinToken);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view,
    empty: "There are no join tokens.",
  });
}

export async function removeToken(run: CommandContext, id: string): Promise<void> {
  await (await run.api()).delete(`/api/v1/join-tokens/${encodeURIComponent(id)}`);
  run.output.say(`Join token ${id} is void.`);
  run.output.next("token ls");
}
