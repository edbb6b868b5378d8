import { Prisma } from "../../../../prisma/generated/client.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { MAX_ALIASES_PER_VERSION } from "../../../../shared/protocol/limits.ts";
import type { CatalogStore } from "../../../ports/catalog/catalog.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";
import { raiseDesiredRev } from "../fleet/desired-rev.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { requireOwner } from "../owner.ts";
import { lockModel, ownerOf } from "./model-writes.ts";

export type AliasMove = Parameters<CatalogStore["moveAlias"]>[0];

/** Compare-and-set on the version that the alias names. The model's lock makes moves take turns. */
export async function moveAlias(
  tx: Transaction,
  move: AliasMove,
  { actor, event }: { actor: Actor; event: NewEvent },
): Promise<void> {
  const { model, alias, version, ifMatch } = move;
  requireOwner(ownerOf(model, await lockModel(tx, model)), actor);
  const before = await tx.alias.findUnique({ where: { modelName_alias: { modelName: model, alias } } });
  requireTarget(move, before?.version ?? null, ifMatch);
  await requireReady(tx, model, version);
  if (before?.version === version) return;
  await requireRoom(tx, model, version);
  await tx.alias.upsert({
    where: { modelName_alias: { modelName: model, alias } },
    create: { modelName: model, alias, version },
    update: { version, rowVersion: { increment: 1 } },
  });
  const versions = before === null ? [version] : [before.version, version];
  const nodes = await raiseDesiredRev(tx, Prisma.sql`model_name = ${model} AND version = ANY (${versions}::int[])`);
  await audit(tx, actor, {
    action: "alias.move",
    target: `model/${model}`,
    detail: { alias, before: before?.version ?? null, after: version },
  });
  await appendEvents(tx, [event], { models: [model], nodes });
}

function requireTarget({ model, alias }: AliasMove, present: number | null, expected: number | null | undefined): void {
  if (expected === undefined || expected === present) return;
  const current = present === null ? "does not exist" : `names ${model}:${present}`;
  throw new SkerryError("STALE_ETAG", `the alias ${alias} of ${model} ${current}: somebody moved it since you read it`);
}

async function requireRoom(tx: Transaction, model: string, version: number): Promise<void> {
  const there = await tx.alias.findMany({
    where: { modelName: model, version },
    select: { alias: true },
    orderBy: { alias: "asc" },
  });
  if (there.length < MAX_ALIASES_PER_VERSION) return;
  const names = there.map(({ alias }) => alias).join(", ");
  throw new SkerryError(
    "CONFLICT",
    `${model}:${version} has ${there.length} aliases already (${names}), and ${MAX_ALIASES_PER_VERSION} is the limit; let one of them name another version`,
  );
}

async function requireReady(tx: Transaction, model: string, version: number): Promise<void> {
  const row = await tx.modelVersion.findUnique({
    where: { modelName_version: { modelName: model, version } },
    select: { state: true },
  });
  if (!row) throw new SkerryError("NOT_FOUND", `the model ${model} has no version ${version}`);
  if (row.state !== "ready")
    throw new SkerryError(
      "CONFLICT",
      `${model}:${version} is ${row.state}: only a ready version can be named by an alias`,
    );
}
