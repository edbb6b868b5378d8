import { execFile } from "node:child_process";
import { access, readdir, readFile, statfs } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { isAlive } from "../config/dev-directory.ts";
import { CONFINEMENT_REPORT, STREAMS_REPORT } from "../processes/programs.ts";
import type { CommandContext } from "../run.ts";
import { count, formatBytes } from "../output/units.ts";
import { type Finding, good } from "./finding.ts";

const report = z.object({
  measures: z.array(z.object({ what: z.string(), isActive: z.boolean(), how: z.string() })),
});
const streamsReport = z.object({
  entries: z.array(z.object({ entry: z.string(), problem: z.string().optional() })),
  fault: z.string().optional(),
});
const STREAMS_FIX = "mend it, or change the entry; streams that name it wait until then";
const lock = z.object({ pid: z.number().int() });

/** A node takes no model when less than this share of its disk is free. */
const FREE_SHARE = 0.05;

const FIXES: Readonly<Record<string, string>> = {
  "no network": "let this user make network namespaces, or forbid traffic of the node's machine or pod by a policy",
  "user without rights": "run the node as a service with a user of its own: `skerry join --install-service`",
};
const INSTALL = "install util-linux and a POSIX shell";

/** What a node finds that this user starts on this machine, and the nodes that are here already. */
export async function examineEdge(run: CommandContext): Promise<readonly Finding[]> {
  const { env } = run.processEnv;
  const folder = join(env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state"), "skerry");
  const streamsFile = env["SKERRY_STREAMS_FILE"];
  const parts = await Promise.all([
    examineDisk(folder),
    examineNodes(folder),
    examineConfinement(folder),
    streamsFile === undefined ? [] : examineStreams(streamsFile),
  ]);
  return parts.flat();
}

async function examineConfinement(folder: string): Promise<readonly Finding[]> {
  const words = [CONFINEMENT_REPORT, await existing(folder)];
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 30_000 });
  const { measures } = report.parse(JSON.parse(stdout));
  return measures.map(({ what, isActive, how }): Finding =>
    isActive
      ? good("edge", `model hosts: ${what}`, how)
      : { about: "edge", level: "warning", what: `model hosts: ${what}`, how, fix: FIXES[what] ?? INSTALL },
  );
}

/** What a streams file offers, and what of it this user could not use. */
async function examineStreams(file: string): Promise<readonly Finding[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [STREAMS_REPORT, file], { timeout: 30_000 });
  const { entries, fault } = streamsReport.parse(JSON.parse(stdout));
  if (fault !== undefined) {
    const fix = "mend it as docs/streams.md says: a node does not start with it";
    return [{ about: "edge", level: "bad", what: "streams file", how: fault, fix }];
  }
  return entries.map(({ entry, problem }): Finding =>
    problem === undefined
      ? good("edge", `streams: ${entry}`, "usable")
      : { about: "edge", level: "warning", what: `streams: ${entry}`, how: problem, fix: STREAMS_FIX },
  );
}

async function examineDisk(folder: string): Promise<readonly Finding[]> {
  const what = "disk for models";
  const { bavail, blocks, bsize } = await statfs(await existing(folder));
  const free = `${formatBytes(bavail * bsize)} of ${formatBytes(blocks * bsize)} free under ${folder}`;
  if (bavail >= blocks * FREE_SHARE) return [good("edge", what, free)];
  return [
    {
      about: "edge",
      level: "bad",
      what,
      how: free,
      fix: "free space: a node takes no model while less than 5 % is free",
    },
  ];
}

/** The folder, or the nearest above it that is there. */
async function existing(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const isHere = await access(at).then(
      () => true,
      () => false,
    );
    if (isHere || dirname(at) === at) return at;
  }
}

/** Nodes that this user made with `skerry join`. */
async function examineNodes(folder: string): Promise<readonly Finding[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const nodes = await Promise.all(
    names.toSorted().map(async (name): Promise<Finding | undefined> => {
      const directory = join(folder, name);
      const isNode = await access(join(directory, "identity.json")).then(
        () => true,
        () => false,
      );
      if (!isNode) return undefined;
      const pid = await pidOf(directory);
      if (pid !== undefined && isAlive(pid)) return good("edge", `node ${name}`, `runs as process ${pid}`);
      const how = `has joined and does not run; its data is in ${directory}`;
      return { about: "edge", level: "warning", what: `node ${name}`, how, fix: `\`skerry join --name ${name}\`` };
    }),
  );
  const found = nodes.filter((each) => each !== undefined);
  return found.length > 0 ? found : [good("edge", "nodes of this user", `${count(0, "node")} in ${folder}`)];
}

async function pidOf(directory: string): Promise<number | undefined> {
  try {
    return lock.parse(JSON.parse(await readFile(join(directory, "node.lock"), "utf8"))).pid;
  } catch {
    return undefined;
  }
}
