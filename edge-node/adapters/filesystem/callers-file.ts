import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { CallersFile, KnownCallers } from "../../ports/disk.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

const schema = z.object({
  v: z.literal(1),
  digest: z.string().optional(),
  confirmedAt: z.number(),
  ranMs: z.number().min(0),
  keys: z.array(
    z.object({
      id: z.string(),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      role: z.enum(["viewer", "operator", "admin", "application"]),
      models: z.array(z.string()).nullable(),
      expiresAt: z.number().nullable(),
      limits: z.object({ requestsPerMinute: z.number().nullable(), concurrency: z.number().nullable() }).optional(),
    }),
  ),
});

export const CALLERS_FILE = "callers.json";

/** `callers.json` in the state folder, mode 0600: hashes of API keys, no keys. */
export class JsonCallersFile implements CallersFile {
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, CALLERS_FILE);
  }

  async load(): Promise<KnownCallers | null> {
    const text = await unlessMissing(readFile(this.#path, "utf8"));
    if (text === undefined) return null;
    try {
      const { digest, keys, confirmedAt, ranMs } = schema.parse(JSON.parse(text));
      return { digest, keys, confirmedAt, ranMs };
    } catch {
      return null; // the control plane says them all again
    }
  }

  async save({ digest, keys, confirmedAt, ranMs }: KnownCallers): Promise<void> {
    const file = { v: 1, ...(digest !== undefined && { digest }), confirmedAt, ranMs, keys };
    await writeDurably(this.#path, `${JSON.stringify(file)}\n`, 0o600);
  }
}
