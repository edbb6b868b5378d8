import { z } from "zod";
import { AuditChainCheck } from "../../../shared/api/v1/access/audit-chain.ts";
import { auditEntry, auditHead } from "../../../shared/api/v1/events.ts";
import { decode } from "../../api/client.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { printObject } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

const page = z.looseObject({ items: z.array(auditEntry), nextCursor: z.string().nullable() });

/** Computes the whole chain here, so that the server's word is not needed for it. A log of any length, page by page. */
export async function verifyAudit(run: CommandContext, options: { readonly noted?: readonly string[] }): Promise<void> {
  const noted = new Map((options.noted ?? []).map(parseNoted));
  const api = await run.api();
  const head = decode(auditHead, (await api.get("/api/v1/audit/head")).body, "the head of the audit log");
  const check = new AuditChainCheck(head, noted);
  // What is written meanwhile comes after the head: an id more than the newest begins at it.
  let cursor: string | null = String(BigInt(head.newest) + 1n);
  while (cursor !== null) {
    const { body } = await api.get("/api/v1/audit", { limit: 500, cursor });
    const { items, nextCursor }: z.infer<typeof page> = decode(page, body, "a page of the audit log");
    for (const entry of items) check.add(entry);
    cursor = nextCursor;
  }
  const report = check.end();
  const { findings, checked, older } = report;
  const before = older === 0 ? "" : `; ${older} older ones are from before the chain, and are not checked`;
  const raw = { ...report, head };
  const describe = (): string => `${checked} entries checked${before}. The head is ${head.id}:${head.hash}`;
  await printObject(run.output, run.globals.format, { raw, name: head.id, describe });
  if (findings.length === 0) return run.output.say("The chain is whole.");
  throw new CliFailure(EXIT.error, {
    what: "the audit log is not as it was written",
    why: findings,
    fix: "compare it with a backup; the control plane's log has a hash of it for each hour",
  });
}

function parseNoted(text: string): readonly [string, string] {
  const [, id, hash] = /^([0-9]{1,18}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (id === undefined || hash === undefined)
    throw usageFailure(
      `"${text}" is not an entry with its hash`,
      "write ENTRY:HASH, as the control plane's log has it",
    );
  return [id, hash];
}
