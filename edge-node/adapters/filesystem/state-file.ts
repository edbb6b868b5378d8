import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { digestOf } from "../../../shared/base/digest.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { digest } from "../../../shared/protocol/model-files/manifest.ts";
import { desiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { StateFile, NodeState } from "../../ports/disk.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

const count = z.number().int().min(0);

const memorySchema = z.object({
  epoch: count,
  desiredRev: count,
  desired: z.object({ cordoned: z.boolean(), placements: z.array(desiredPlacement) }),
  retained: z.array(desiredPlacement).default([]),
  previous: z.array(digest).default([]),
  floors: z.record(z.string(), count).optional(),
});

const fileSchema = z.object({ v: z.literal(1), sha256: z.string(), memory: z.string() });

/** `memory.json` in the state folder: one line of JSON with its own SHA-256, so that damage is noticed. */
export class JsonStateFile implements StateFile {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(stateDir: string, logger: Logger) {
    this.#path = join(stateDir, "memory.json");
    this.#logger = logger;
  }

  async load(): Promise<NodeState | null> {
    const text = await unlessMissing(readFile(this.#path, "utf8"));
    if (text === undefined) return null;
    const memory = parse(text);
    if (memory) return memory;
    const aside = `${this.#path}.damaged`;
    await rename(this.#path, aside);
    this.#logger.error(
      { aside },
      "the node's memory is damaged and set aside; the control plane will say it all again",
    );
    return null;
  }

  async save(memory: NodeState): Promise<void> {
    const text = JSON.stringify(memory);
    await writeDurably(this.#path, JSON.stringify({ v: 1, sha256: digestOf(text), memory: text }), 0o600);
  }
}

function parse(text: string): NodeState | undefined {
  try {
    const file = fileSchema.parse(JSON.parse(text));
    return file.sha256 === digestOf(file.memory) ? memorySchema.parse(JSON.parse(file.memory)) : undefined;
  } catch {
    return undefined;
  }
}
