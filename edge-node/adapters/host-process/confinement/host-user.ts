import { chmod, lchown, lstat, mkdir, readdir } from "node:fs/promises";
import path from "node:path";

/** Whom model hosts run as while the node runs as root. */
export interface HostUser {
  readonly uid: number;
  readonly gid: number;
}

/** Of no account on usual systems; systemd leaves 60578 to 61183 unused. */
export const DEFAULT_HOST_UID = 61_000;

const TRAVERSE = 0o010;
const READ = 0o040;
const OTHERS_TRAVERSE = 0o001;

/** Words before a command that make it this user's, without groups and without rights that it could pass on. */
export const asUser = ({ uid, gid }: HostUser): readonly string[] => [
  "setpriv",
  "--no-new-privs",
  `--reuid=${uid}`,
  `--regid=${gid}`,
  "--clear-groups",
  "--inh-caps=-all",
  "--",
];

/**
 * What a host needs of the state folder: to pass through it, its empty working folder, and a folder for compiled sources of its
 * own. Keys, identity and memory in it have no rights for the group.
 */
export async function openStateFolder(
  { uid, gid }: HostUser,
  { stateDir, workDirectory }: { readonly stateDir: string; readonly workDirectory: string },
): Promise<void> {
  await allow(stateDir, gid, TRAVERSE);
  await mkdir(workDirectory, { recursive: true, mode: 0o700 });
  await allow(workDirectory, gid, TRAVERSE);
  const compiled = path.join(workDirectory, "compile-cache");
  await mkdir(compiled, { recursive: true, mode: 0o700 });
  await lchown(compiled, uid, gid);
}

/** Lets a host read the files of a model, and pass through the folders above it up to the state folder. They stay root's. */
export async function openModelFolder(
  { gid }: HostUser,
  { stateDir, directory }: { readonly stateDir: string; readonly directory: string },
): Promise<void> {
  const inside = path.relative(stateDir, directory);
  if (!inside.startsWith("..") && !path.isAbsolute(inside)) {
    const parents = inside.split(path.sep).slice(0, -1);
    for (let depth = 1; depth <= parents.length; depth += 1)
      await allow(path.join(stateDir, ...parents.slice(0, depth)), gid, TRAVERSE);
  }
  await openTree(directory, gid);
}

/**
 * Lets a host pass from `top` down to `folder`, where others may not: the folders above `top` are not touched. Nothing else in
 * them becomes readable.
 */
export async function openWay(
  { gid }: HostUser,
  { top, folder }: { readonly top: string; readonly folder: string },
): Promise<void> {
  const steps = path.relative(top, folder).split(path.sep);
  if (steps.includes("..")) return;
  for (let depth = 0; depth < steps.length; depth += 1) {
    const each = path.join(top, ...steps.slice(0, depth));
    if (((await lstat(each)).mode & OTHERS_TRAVERSE) === 0) await allow(each, gid, TRAVERSE);
  }
}

async function openTree(folder: string, gid: number): Promise<void> {
  await allow(folder, gid, TRAVERSE | READ);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const each = path.join(folder, entry.name);
    if (entry.isDirectory()) await openTree(each, gid);
    else if (entry.isFile()) await allow(each, gid, READ);
  }
}

/** These rights and no others: what the group before might do is not for hosts. Nothing is written when it is so already. */
async function allow(file: string, gid: number, rights: number): Promise<void> {
  const { mode, gid: before, uid } = await lstat(file);
  const allowed = (mode & 0o7707) | rights;
  // Before the group changes, so that hosts never have what that one might do.
  if ((mode & 0o7777) !== allowed) await chmod(file, allowed);
  if (before !== gid) await lchown(file, uid, gid);
}
