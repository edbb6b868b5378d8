import { readFile } from "node:fs/promises";
import { LineCounter, parseAllDocuments } from "yaml";
import { messageOf } from "../../shared/base/errors.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** One document of a file, and where it begins. */
export interface SpecDocument {
  readonly value: unknown;
  /** `digits.yaml, document 2 (line 14)`: for messages. */
  readonly where: string;
}

/** Reads a file, or stdin for `-`. Text that is not UTF-8 is refused: its characters would be lost. */
export async function readSource(file: string, stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  if (file !== "-") {
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new CliFailure(
        EXIT.error,
        { what: `cannot read ${file}`, why: [error.code === "ENOENT" ? "there is no such file" : messageOf(error)] },
        { cause: error },
      );
    });
    return decodeUtf8(bytes, file);
  }
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece));
  return decodeUtf8(Buffer.concat(pieces), "stdin");
}

/** The text of bytes. `name`: where they come from, for the message. */
export function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CliFailure(EXIT.error, { what: `${name} is not UTF-8`, fix: "save it as UTF-8" });
  }
}

/**
 * Splits YAML or JSON (which is YAML) into its documents. A list at the top, or the `items` of a list that the API
 * gave, counts as so many documents. Empty documents are passed over.
 */
export function parseDocuments(text: string, file: string): readonly SpecDocument[] {
  const name = file === "-" ? "stdin" : file;
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true });
  const found: SpecDocument[] = [];
  [...documents].forEach((document, index) => {
    const error = document.errors[0];
    if (error !== undefined) throw malformed(name, error.message);
    const value = toValue(document, name);
    if (value === null || value === undefined) return;
    const line = lines.linePos(document.contents?.range?.[0] ?? 0).line;
    const where = documents.length > 1 ? `${name}, document ${index + 1} (line ${line})` : name;
    found.push(
      ...itemsOf(value).map((item, at, all) => ({
        value: item,
        where: all.length > 1 ? `${where}, item ${at + 1}` : where,
      })),
    );
  });
  if (found.length === 0) throw malformed(name, "there is no document in it");
  return found;
}

// maxAliasCount: a few lines of YAML with nested aliases can stand for gigabytes.
function toValue(document: { toJS(options: { maxAliasCount: number }): unknown }, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw malformed(name, messageOf(error));
  }
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "object" && value !== null && "items" in value && Array.isArray(value.items)) return value.items;
  return [value];
}

function malformed(name: string, why: string): CliFailure {
  return new CliFailure(EXIT.error, {
    what: `${name} cannot be understood`,
    why: [why.trim()],
    fix: "correct the file; docs/cli.md shows an example of `apply`",
  });
}
