/** Files of a folder, read where they lie: on a disk, or where a browser has them. Paths have `/` between their parts. */
export interface ModelFolder {
  /** How a person names the folder. */
  readonly root: string;
  /** The files that count, in order. Hidden ones do not. */
  readonly paths: readonly string[];
  /** How a person names a file of it. */
  at(path: string): string;
  /** Bytes of a file, also of one that `paths` leaves out; undefined when there is none. */
  size(path: string): number | undefined;
  /** The bytes from `from` on, at most `length`; fewer at the file's end. Throws when the file cannot be read. */
  read(path: string, from: number, length: number): Uint8Array;
  /** A YAML document as plain values; throws with a sentence when it is none, or names more than `maxAliases` times what it said before. */
  parseYaml(text: string, maxAliases: number): unknown;
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
export class UnfitModel extends Error {
  readonly what: string;
  readonly why: string;
  readonly fix: string;

  constructor(what: string, why: string, fix: string) {
    super(what);
    this.name = "UnfitModel";
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

export const unfit = (what: string, why: string, fix: string): UnfitModel => new UnfitModel(what, why, fix);

/** By name: under Jest the class exists once per realm. */
export const isUnfitModel = (error: unknown): error is UnfitModel =>
  Error.isError(error) && error.name === "UnfitModel" && "fix" in error;

/** A small file as text. */
export const textOf = (folder: ModelFolder, path: string): string =>
  new TextDecoder().decode(folder.read(path, 0, folder.size(path) ?? 0));

/** Last part of a path. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** A path that is beside another one, as that one's document names it. */
export const beside = (path: string, location: string): string =>
  path.slice(0, path.lastIndexOf("/") + 1) + location.replace(/^(\.\/)+/, "");
