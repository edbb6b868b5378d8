import { sessionInfo, type SessionInfo } from "../../../shared/api/v1/access/login.ts";
import { readList } from "../../api/lists.ts";
import { printList, type View } from "../../output/format.ts";
import { formatAge } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

const leftUntil = (instant: string): string => formatAge(Math.max(0, Date.parse(instant) - Date.now()));

const view: View<SessionInfo> = {
  name: (row) => row.id,
  columns: [
    { header: "ID", value: (row) => row.id },
    { header: "WHO", value: (row) => row.name },
    { header: "ROLE", value: (row) => row.role },
    { header: "BY", value: (row) => (row.isOfKey ? `key ${row.keyId}` : "identity provider") },
    { header: "ENDS UNUSED IN", value: (row) => leftUntil(row.idleUntil) },
    { header: "ENDS IN", value: (row) => leftUntil(row.expiresAt) },
  ],
};

export async function listSessions(run: CommandContext): Promise<void> {
  const { raw, items } = await readList(await run.api(), "/api/v1/sessions", sessionInfo);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view,
    empty: "Nobody is logged in.",
  });
}

export async function endSession(run: CommandContext, id: string): Promise<void> {
  await (await run.api()).delete(`/api/v1/sessions/${encodeURIComponent(id)}`);
  run.output.say(`Session ${id} has ended.`);
  run.output.next("sessions ls");
}
