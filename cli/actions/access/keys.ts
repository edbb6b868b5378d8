import { apiKey, type ApiKeyInfo, createApiKey, createdApiKey } from "../../../shared/api/v1/keys.ts";
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
  readonly ttlDays?: number;
}

const view: View<ApiKeyInfo> = {
  name: (row) => row.id,
  columns: [
    { header: "ID", value: (row) => row.id },
    { header: "NAME", value: (row) => row.name },
    { header: "ROLE", value: (row) => row.role },
    { header: "MODELS", value: (row) => row.models.join(", ") },
    { header: "STATE", value: keyState },
    {
      header: "LAST USED",
      value: (row) => (row.lastUsedAt === null ? "never" : `${formatSince(row.lastUsedAt, Date.now())} ago`),
    },
    { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
  ],
};

function keyState(row: ApiKeyInfo, paint: Style): string {
  if (row.revokedAt !== null) return paint.bad(`revoked ${formatSince(row.revokedAt, Date.now())} ago`);
  if (row.expiresAt === null) return "good";
  const leftMs = Date.parse(row.expiresAt) - Date.now();
  return leftMs > 0 ? `good for ${formatAge(leftMs)}` : paint.bad("expired");
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
    ...(options.ttlDays === undefined ? {} : { ttlDays: options.ttlDays }),
  });
  if (!asked.success)
    throw usageFailure(
      `${asked.error.issues[0]?.path.join(".") ?? "key"}: ${asked.error.issues[0]?.message ?? "not valid"}`,
    );
  if (asked.data.role === "application" && asked.data.models.length === 0) {
    throw usageFailure("an application key without models may call nothing", "name them with --model");
  }
  const { body } = await (await run.api()).post("/api/v1/api-keys", asked.data);
  const made = decode(createdApiKey, body, "a key");
  await printObject(run.output, run.globals.format, { raw: body, name: made.id, describe: () => made.key });
  run.output.say(`Key ${made.name} (${made.role}, id ${made.id}). It is shown this once.`);
  run.output.next("keys ls");
}

export async function removeKey(run: CommandContext, id: string): Promise<void> {
  await (await run.api()).delete(`/api/v1/api-keys/${encodeURIComponent(id)}`);
  run.output.say(`Key ${id} is revoked.`);
  run.output.next("keys ls");
}
