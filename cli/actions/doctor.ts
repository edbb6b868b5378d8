import { examineClient } from "../doctor/client.ts";
import { examineEdge } from "../doctor/edge.ts";
import type { Finding } from "../doctor/finding.ts";
import { examineServer } from "../doctor/server.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { printList, type View } from "../output/format.ts";
import type { Style } from "../output/paint.ts";
import { count } from "../output/units.ts";
import type { CommandContext } from "../run.ts";

export type DoctorSubject = Finding["about"];

const view: View<Finding> = {
  name: (row) => `${row.about}: ${row.what}`,
  columns: [
    { header: "WHERE", value: (row) => row.about },
    { header: "LOOKED AT", value: (row) => row.what },
    { header: "", value: levelText },
    { header: "HOW IT IS", value: (row) => row.how },
    { header: "WHAT TO DO", value: (row) => row.fix ?? "" },
  ],
};

/**
 * `skerry doctor`: this tool, its server and this machine as a node, or one of them. Exit code 1 when something is bad;
 * warnings change nothing.
 */
export async function runDoctor(run: CommandContext, subject: DoctorSubject | undefined): Promise<ExitCode> {
  const findings = await examine(run, subject);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: { items: findings, nextCursor: null },
    rows: findings,
    view,
    empty: "There is nothing to look at.",
  });
  const [bad, warnings] = (["bad", "warning"] as const).map((level) => findings.filter((one) => one.level === level));
  run.output.say(`${count(bad?.length ?? 0, "fault")}, ${count(warnings?.length ?? 0, "warning")}.`);
  return (bad?.length ?? 0) > 0 ? EXIT.error : EXIT.ok;
}

async function examine(run: CommandContext, subject: DoctorSubject | undefined): Promise<readonly Finding[]> {
  if (subject === "edge") return examineEdge(run);
  const client = await examineClient(run);
  const ofClient = subject === "server" ? client.findings.filter(({ level }) => level === "bad") : client.findings;
  const ofServer = subject === "client" || client.api === undefined ? [] : await examineServer(client.api);
  return [...ofClient, ...ofServer, ...(subject === undefined ? await examineEdge(run) : [])];
}

function levelText({ level }: Finding, paint: Style): string {
  if (level === "good") return paint.good("good");
  return level === "bad" ? paint.bad("bad") : paint.warn("warning");
}
