import type { z } from "zod";
import { auditEntry } from "../../../shared/api/v1/events.ts";
import { readList } from "../../api/lists.ts";
import { printList, type View } from "../../output/format.ts";
import { formatSince } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

const view: View<z.infer<typeof auditEntry>> = {
  name: (row) => row.id,
  columns: [
    { header: "AGE", value: (row) => formatSince(row.at, Date.now()) },
    { header: "WHO", value: (row) => row.actor },
    { header: "DID", value: (row) => row.action },
    { header: "TO", value: (row) => row.target },
    { header: "FROM", value: (row) => row.address, wide: true },
    { header: "REQUEST", value: (row) => row.requestId, wide: true },
    {
      header: "DETAIL",
      value: (row) => (Object.keys(row.detail).length === 0 ? "" : JSON.stringify(row.detail)),
      wide: true,
    },
  ],
};

export async function showAudit(run: CommandContext, options: { readonly limit: number }): Promise<void> {
  const { raw, items } = await readList(await run.api(), "/api/v1/audit", auditEntry, { limit: options.limit });
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view,
    empty: "Nothing has been changed yet.",
  });
}
