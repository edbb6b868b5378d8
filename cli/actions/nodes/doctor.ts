import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import { CONFINEMENT_REPORT } from "../../processes/programs.ts";
import { printList, type View } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

const report = z.object({
  measures: z.array(z.object({ what: z.string(), isActive: z.boolean(), how: z.string() })),
});
type Row = z.infer<typeof report>["measures"][number];

const view: View<Row> = {
  name: (row) => row.what,
  columns: [
    { header: "MODEL HOSTS HERE HAVE", value: (row) => row.what },
    { header: "ACTIVE", value: (row, paint) => (row.isActive ? paint.good("yes") : paint.bad("no")) },
    { header: "HOW", value: (row) => row.how },
  ],
};

/** `skerry doctor edge`: what would confine the models of a node that this user starts on this machine. */
export async function doctorEdge(run: CommandContext): Promise<void> {
  const { stdout } = await promisify(execFile)(process.execPath, [CONFINEMENT_REPORT], { timeout: 30_000 });
  const { measures: rows } = report.parse(JSON.parse(stdout));
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: { items: rows, nextCursor: null },
    rows,
    view,
    empty: "Nothing is known of this machine.",
  });
}
