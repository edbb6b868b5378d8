import { z } from "zod";

/**
 * A version is a bundle: one or more files and the runtime that executes them. One ONNX file is the simplest bundle.
 * These are the rules that command line, control plane and node share.
 */

/** What executes a version. More follow; a control plane refuses those that it does not know. */
const RUNTIMES = ["onnx", "gguf", "generate", "embed", "engine", "pipeline"] as const;
export const runtime = z.enum(RUNTIMES, {
  error: ({ input }) =>
    `the runtime ${JSON.stringify(input)?.slice(0, 40) ?? "undefined"} is not known; this release knows: ${RUNTIMES.join(", ")}`,
});
export type Runtime = z.infer<typeof runtime>;

/** The name of the file that ONNX Runtime loads, in a version that was declared as one file without a name. */
export const MODEL_FILE = "model.onnx";

/** The same of a text model in GGUF. */
export const GGUF_FILE = "model.gguf";

/** What a version that an engine executes is declared by, in the place of weights (`engine-document.ts`). */
export const ENGINE_FILE = "engine.json";

/** What a version that is a pipeline is declared by, beside its graphs (`shared/pipeline/document.ts`). */
export const PIPELINE_FILE = "pipeline.yaml";

/** Inputs, and the outputs that the trainer saw, in NumPy's format: nodes try a version with them when it has such a file. */
export const SAMPLES_FILE = "samples.npz";
export const MAX_SAMPLES_BYTES = 4 * 1024 ** 2;

/** The node keeps the manifest under this name beside the files. */
export const MANIFEST_FILE = "manifest.json";

export const MAX_BUNDLE_FILES = 256;
/** Of all files together, in bytes: the manifest of more would have over 1 MiB (a chunk of 268 KiB takes 77 bytes in it). */
export const MAX_BUNDLE_BYTES = 3 * 1024 ** 3;
export const MAX_PATH_CHARACTERS = 255;
const MAX_PATH_DEPTH = 8;

// No segment begins with a dot, so `.`, `..` and hidden files are out. No space, colon or backslash: the path is the
// same on every file system.
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Why `path` cannot name a file of a bundle; undefined when it can. */
export function pathFault(path: string): string | undefined {
  if (path === "") return "the path is empty";
  if (path.length > MAX_PATH_CHARACTERS) return `the path has more than ${MAX_PATH_CHARACTERS} characters`;
  if (path.startsWith("/")) return "the path is absolute";
  const segments = path.split("/");
  if (segments.length > MAX_PATH_DEPTH) return `the path is more than ${MAX_PATH_DEPTH} folders deep`;
  if (segments.includes("..")) return "the path leaves the bundle (..)";
  if (!segments.every((segment) => SEGMENT.test(segment)))
    return "a path has letters, digits, `.`, `_`, `-` between single `/`, and no part of it begins with `.` or `-`";
  if (path.toLowerCase() === MANIFEST_FILE) return `${MANIFEST_FILE} is the node's own`;
  return undefined;
}

/** Why paths cannot stand beside one another, naming the first at fault; undefined when they can. */
export function pathsFault(paths: readonly string[]): string | undefined {
  const files = new Map<string, string>();
  for (const path of paths) {
    const same = files.get(path.toLowerCase());
    if (same === path) return `${path} is named twice`;
    if (same !== undefined) return `${same} and ${path} are one file where case does not count`;
    files.set(path.toLowerCase(), path);
  }
  for (const path of paths) {
    const segments = path.toLowerCase().split("/");
    for (let depth = 1; depth < segments.length; depth += 1) {
      const folder = files.get(segments.slice(0, depth).join("/"));
      if (folder !== undefined) return `${folder} is a file, and ${path} needs it as a folder`;
    }
  }
  return undefined;
}

/** A file of a bundle, as its uploader declares it. */
export const bundleFile = z.strictObject({
  path: z.string().check((context) => {
    const fault = pathFault(context.value);
    if (fault !== undefined) context.issues.push({ code: "custom", message: fault, input: context.value });
  }),
  bytes: z.number().int().min(1).max(MAX_BUNDLE_BYTES),
  /** 64 lower-case hex digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits"),
});
export type BundleFile = z.infer<typeof bundleFile>;

/** How the names of the files end that a runtime loads. */
const ENDINGS: Readonly<Record<Runtime, string>> = {
  onnx: ".onnx",
  gguf: ".gguf",
  generate: ".onnx",
  embed: ".onnx",
  engine: ENGINE_FILE,
  pipeline: PIPELINE_FILE,
};

/**
 * The file that the runtime loads: `main` if it is named, else the only file that ends as the runtime's files do.
 * `fault` says why there is none.
 */
export function mainFileOf(
  paths: readonly string[],
  main: string | undefined,
  of: Runtime = "onnx",
): { readonly main: string } | { readonly fault: string } {
  if (main !== undefined)
    return paths.includes(main) ? { main } : { fault: `main names ${main}, which is not a file of it` };
  const ending = ENDINGS[of];
  const [graph, ...more] = paths.filter((path) => path.endsWith(ending));
  if (graph === undefined) return { fault: `none of its files ends in ${ending}: name the graph as \`main\`` };
  if (more.length > 0)
    return { fault: `${[graph, ...more].join(" and ")} end in ${ending}: name the graph as \`main\`` };
  return { main: graph };
}
