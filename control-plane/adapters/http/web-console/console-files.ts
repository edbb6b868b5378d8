import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { acceptedEncodings } from "../server/accepted-encodings.ts";

/** How a file is sent, the smallest form first. */
const ENCODINGS = [
  { name: "br", suffix: ".br" },
  { name: "gzip", suffix: ".gz" },
] as const;
type Encoding = (typeof ENCODINGS)[number]["name"];

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface ConsoleFile {
  readonly type: string;
  readonly etag: string;
  readonly plain: Buffer;
  readonly encoded: ReadonlyMap<Encoding, Buffer>;
}

/** By path, `/index.html` and `/assets/…`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/**
 * Reads the built console into memory: some hundred KiB, so that a page costs neither a disk access nor compression.
 * Undefined when it was not built.
 */
export async function readConsole(folder: string): Promise<ConsoleFiles | undefined> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(unlessMissing);
  if (names === undefined) return undefined;
  const paths = names.filter((each) => each.isFile()).map((each) => path.join(each.parentPath, each.name));
  const files = new Map<string, ConsoleFile>();
  await Promise.all(
    paths.map(async (file) => {
      const type = TYPES[path.extname(file)];
      if (type !== undefined) files.set(`/${path.relative(folder, file)}`, await readOne(file, type));
    }),
  );
  return files.has("/index.html") ? files : undefined;
}

async function readOne(file: string, type: string): Promise<ConsoleFile> {
  const plain = await readFile(file);
  const encoded = new Map<Encoding, Buffer>();
  for (const { name, suffix } of ENCODINGS) {
    const bytes = await readFile(`${file}${suffix}`).catch(unlessMissing);
    if (bytes !== undefined) encoded.set(name, bytes);
  }
  return { type, plain, encoded, etag: `"${createHash("sha256").update(plain).digest("hex").slice(0, 32)}"` };
}

/** The smallest form that `accepted`, an `Accept-Encoding`, takes. Undefined: as it is. */
export function encodingFor(file: ConsoleFile, accepted: string | undefined): Encoding | undefined {
  const offered = acceptedEncodings(accepted);
  return ENCODINGS.find(({ name }) => file.encoded.has(name) && offered.has(name))?.name;
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}
