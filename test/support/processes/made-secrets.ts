import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { secretIn } from "../secret-of.ts";

/** Keys, join tokens and codes are told once, by these fields of an answer. */
const answer = z.looseObject({ key: z.string().optional(), token: z.string().optional(), code: z.string().optional() });
/** The secrets that a test made, so that its programs' logs can be searched for the part of each that proves something. */
export class MadeSecrets {
  /** The secret → what it is, without itself. */
  readonly #made = new Map<string, string>();

  /** `credential`: an API key, cookie, code or join token. Anything else is passed over. */
  add(credential: string, what: string): void {
    const secret = secretIn(credential);
    if (secret !== undefined) this.#made.set(secret, what);
  }

  /** Of an answer of the API to `question`, e.g. `POST /api-keys`. */
  addFrom(body: unknown, question: string): void {
    const { key, token, code } = answer.safeParse(body).data ?? {};
    for (const each of [key, token, code]) if (each !== undefined) this.add(each, `what ${question} made`);
  }

  /** What of it stands in the logs (`*.log`) of `directory`: a sentence each. Nothing where the folder is gone. */
  async foundIn(directory: string): Promise<readonly string[]> {
    const names = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".log"));
    const found: string[] = [];
    for (const name of names) {
      const text = await readFile(path.join(directory, name), "utf8");
      for (const [secret, what] of this.#made) if (text.includes(secret)) found.push(`${name} has ${what}`);
    }
    return found;
  }
}
