import { InspectionRefused } from "./inspection-refused.ts";

/** The bundle beside the graph. */
export interface DescribedFolder {
  /** Path of the graph in it. */
  readonly main: string;
  /** The parsed JSON at a path; undefined when there is no such file. Throws `InspectionRefused`. */
  read(path: string): unknown;
}

/** A schema of zod, as far as it is used here. */
interface Schema<Value> {
  safeParse(
    input: unknown,
  ):
    | { readonly success: true; readonly data: Value }
    | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } };
}
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Reads what describes a model in a bundle, by its schema. Refuses what does not fit it. */
export class Descriptions {
  readonly #folder: DescribedFolder;

  constructor(folder: DescribedFolder) {
    this.#folder = folder;
  }

  /** The folder in which the graph lies. */
  get besideGraph(): string {
    const { main } = this.#folder;
    return main.slice(0, Math.max(0, main.lastIndexOf("/")));
  }

  /** Path of the first file there is: of these names, in these folders. */
  find(folders: readonly string[], names: readonly string[]): string | undefined {
    return folders
      .flatMap((folder) => names.map((name) => joined(folder, name)))
      .find((path) => this.#folder.read(path) !== undefined);
  }

  /** Undefined when there is no such file. */
  at<Value>(schema: Schema<Value>, path: string): Value | undefined {
    const value = this.#folder.read(path);
    if (value === undefined) return undefined;
    return fitting(schema, value, path);
  }

  /** Refuses a bundle without such a file. */
  needed<Value>(schema: Schema<Value>, path: string): Value {
    const value = this.at(schema, path);
    if (value === undefined) throw new InspectionRefused(`it has no ${path}`);
    return value;
  }

  /** The first file there is of these names, in these folders. */
  parsed<Value>(schema: Schema<Value>, folders: readonly string[], names: readonly string[]): Value | undefined {
    const path = this.find(folders, names);
    return path === undefined ? undefined : this.at(schema, path);
  }
}

/** The value by its schema. Refuses what does not fit it; `what`: where it comes from. */
export function fitting<Value>(schema: Schema<Value>, value: unknown, what: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InspectionRefused(
    `${what}: ${issue?.path.map(String).join(".") ?? ""} ${issue?.message ?? ""}`.slice(0, 300),
  );
}

/** Path of a file in a folder; the empty one is the bundle. */
export const joined = (folder: string, name: string): string =>
  folder === "" ? name : `${folder.replace(/^\.\//, "").replace(/\/+$/, "")}/${name}`;
