import {
  apiKey,
  type ApiKeyInfo,
  createApiKey,
  createdApiKey,
  rotateApiKey,
} from "../../../shared/api/v1/access/keys.ts";
import { decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { usageFailure } from "../../failure.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import { formatAge, formatSince } from "../../output/units.ts";
import type { Style } from "../../output/paint.ts";
import type { CommandContext } from "../../run.ts";

export interface KeyOptions {
  readonly role: string;
  readonly model?: readonly string[];
  readonly modelLabel?: readonly string[];
  readonly deployment?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly concurrency?: number;
  readonly tokensPerMinute?: number;
  readonly ttlDays?: number;
}

export interface RotateOptions {
  readonly overlapHours: number;
  readonly ttlDays?: number;
}

const view: View<ApiKeyInfo> = {
  name: (row) => row.id,
  columns: [
    { header: "ID", value: (row) => row.id },
    { header: "NAME", value: (row) => row.name },
    { header: "ROLE", value: (row) => row.role },
    { header: "MAY CALL", value: scopeOf },
    { header: "STATE", value: keyState },
    {
      header: "LAST USED",
      value: (row) => (row.lastUsedAt === null ? "never" : `${formatSince(row.lastUsedAt, Date.now())} ago`),
    },
    { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
  ],
};

/** Names, labels and deployments together; of other roles than `application` nothing. */
function scopeOf({ models, modelLabels, deployments }: ApiKeyInfo): string {
  const labels = Object.entries(modelLabels).map(([key, value]) => `${key}=${value}`);
  return [
    ...models,
    ...(labels.length === 0 ? [] : [`models with ${labels.join(",")}`]),
    ...deployments.map((name) => `deployment ${name}`),
  ].join(", ");
}

function keyState(row: ApiKeyInfo, paint: Style): string {
  if (row.revokedAt !== null) return paint.bad(`revoked ${formatSince(row.revokedAt, Date.now())} ago`);
  if (row.expiresAt === null) return "good";
  const leftMs = Date.parse(row.expiresAt) - Date.now();
  const rotated = row.successor === null ? "" : `, rotated to ${row.successor}`;
  return leftMs > 0 ? `good for ${formatAge(leftMs)}${rotated}` : paint.bad(`expired${rotated}`);
}

export async function listKeys(run: CommandContext): Promise<void> {
  const { raw, items } = await readList(await run.api(), "/api/v1/api-keys", apiKey);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view,
    empty: "There are no keys.",
  });
}

export async function createKey(run: CommandContext, name: string, options: KeyOptions): Promise<void> {
  const asked = createApiKey.safeParse({
    name,
    role: options.role,
    models: options.model ?? [],
    modelLabels: labelsOf(options.modelLabel ?? []),
    deployments: options.deployment ?? [],
    limits: {
      requestsPerMinute: options.requestsPerMinute ?? null,
      concurrency: options.concurrency ?? null,
      tokensPerMinute: options.tokensPerMinute ?? null,
    },
    ...(options.ttlDays === undefined ? {} : { ttlDays: options.ttlDays }),
  });
  if (!asked.success)
    throw usageFailure(
      `${asked.error.issues[0]?.path.join(".") ?? "key"}: ${asked.error.issues[0]?.message ?? "not valid"}`,
    );
  const { role, models, modelLabels, deployments } = asked.data;
  if (role === "application" && models.length + deployments.length + Object.keys(modelLabels).length === 0) {
    throw usageFailure(
      "an application key without models may call nothing",
      "name them with --model, --model-label or --deployment",
    );
  }
  const { body } = await (await run.api()).post("/api/v1/api-keys", asked.data);
  const made = decode(createdApiKey, body, "a key");
  await printObject(run.output, run.globals.format, { raw: body, name: made.id, describe: () => made.key });
  run.output.say(`Key ${made.name} (${made.role}, id ${made.id}). It is shown this once.`);
  run.output.next("keys ls");
}

/** A new key in the place of an old one, which stays good for a while so that its holders can change over. */
export async function rotateKey(run: CommandContext, id: string, options: RotateOptions): Promise<void> {
  const asked = rotateApiKey.safeParse(options);
  if (!asked.success)
    throw usageFailure(`${asked.error.issues[0]?.path.join(".")}: ${asked.error.issues[0]?.message ?? "not valid"}`);
  const { body } = await (await run.api()).post(`/api/v1/api-keys/${encodeURIComponent(id)}/rotate`, asked.data);
  const made = decode(createdApiKey, body, "a key");
  await printObject(run.output, run.globals.format, { raw: body, name: made.id, describe: () => made.key });
  run.output.say(
    `Key ${made.name} (${made.role}, id ${made.id}) takes the place of ${id}, which ends in ${options.overlapHours} h. It is shown this once.`,
  );
  run.output.next("keys ls");
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw usageFailure(`"${pair}" is not a label`, "write NAME=VALUE");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

export async function removeKey(run: CommandContext, id: string): Promise<void> {
  await (await run.api()).delete(`/api/v1/api-keys/${encodeURIComponent(id)}`);
  run.output.say(`Key ${id} is revoked.`);
  run.output.next("keys ls");
}
