import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";

/** The files of a folder that count, by their paths in it with `/`, in order. Hidden ones do not. */
export async function listFolder(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((local) => local.slice(join(root, sep).length).split(sep).join("/"))
    .filter((path) => !path.split("/").some((part) => part.startsWith(".")))
    .toSorted((a, b) => (a < b ? -1 : 1));
}

/** What a folder is found to be, and the graph in it to push. */
export interface FoundGraph {
  /** Path of the graph in the folder. */
  readonly graph: string;
  /** The model's name, when the folder says one. */
  readonly name?: string;
  /** What the folder is and what of it has no effect, in sentences. */
  readonly notes: readonly string[];
}

const LISTED = 6;

/** `a, b and 3 more`. */
export function listed(names: readonly string[]): string {
  const shown = names.length > LISTED ? [...names.slice(0, LISTED - 1), `${names.length - LISTED + 1} more`] : names;
  return new Intl.ListFormat("en").format(shown);
}

/** A path that cannot be pushed: what it is, why not, what to do. */
export const unfit = (what: string, why: string, fix: string): CliFailure =>
  new CliFailure(EXIT.error, { what, why: [why], fix });
