import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { mqttSink, mqttSource } from "./mqtt/setting.ts";

/** Sources and sinks of one device. */
const MAX_ENDPOINTS = 32;
/** What waits of all streams together, where the file does not say: a declaration may ask for more than the disk has. */
const DEFAULT_MIB = 1_024;
const MAX_FILE_BYTES = 262_144;

const absolute = z
  .string()
  .max(4_096)
  .refine((path) => path.startsWith("/") && !path.includes("\0"), "an absolute path");
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "1–32 lower-case letters, digits and hyphens");

const directory = z.strictObject({
  path: absolute,
  after: z.enum(["delete", "keep"]).default("delete"),
  settleMs: z.number().int().min(0).max(600_000).default(500),
  scanMs: z.number().int().min(50).max(600_000).default(1_000),
  key: z.enum(["none", "name"]).default("none"),
});
const source = z
  .strictObject({ directory: directory.optional(), http: z.strictObject({}).optional(), mqtt: mqttSource.optional() })
  .refine((given) => Object.keys(given).length === 1, "exactly one of directory, http, mqtt");

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  tokenFile: absolute.optional(),
  timeoutMs: z.number().int().min(100).max(120_000).default(10_000),
});
const folder = z.strictObject({
  path: absolute,
  maxMiB: z.number().int().min(1).max(1_048_576).default(64),
  gatherMs: z.number().int().min(0).max(600_000).default(1_000),
});
const sink = z
  .strictObject({ webhook: webhook.optional(), folder: folder.optional(), mqtt: mqttSink.optional() })
  .refine((given) => Object.keys(given).length === 1, "exactly one of webhook, folder, mqtt");

const bounded = <Value extends z.ZodType>(of: Value) =>
  z
    .record(name, of)
    .refine((all) => Object.keys(all).length <= MAX_ENDPOINTS, `at most ${MAX_ENDPOINTS}`)
    .default({});

/**
 * What this device lets streams read and where it lets them send. It is the technician's: a control plane names an entry and
 * learns or chooses neither its directory nor its address nor its credentials.
 */
const streamsFile = z
  .strictObject({
    maxMiB: z.number().int().min(1).max(1_048_576).default(DEFAULT_MIB),
    sources: bounded(source),
    sinks: bounded(sink),
  })
  .superRefine(({ sinks }, context) => {
    const users = new Map<string, string>();
    for (const [entry, { folder: to }] of Object.entries(sinks)) {
      if (to === undefined) continue;
      const other = users.get(resolve(to.path));
      // Each counts what it writes, and neither would keep its bound.
      if (other !== undefined)
        context.addIssue({
          code: "custom",
          path: ["sinks", entry, "folder", "path"],
          message: `${other} writes there`,
        });
      users.set(resolve(to.path), entry);
    }
  });
export type StreamsFile = z.infer<typeof streamsFile>;

/** Reads the file, which is YAML or JSON. Throws one error that names every mistake by its place in the file. */
export function readStreamsFile(path: string): StreamsFile {
  const text = readFileSync(path, "utf8");
  if (text.length > MAX_FILE_BYTES) throw new Error(`${path} is longer than ${MAX_FILE_BYTES} characters`);
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault !== undefined) throw new Error(`${path} is no YAML: ${fault.message}`);
  const parsed = streamsFile.safeParse(document.toJS({ maxAliasCount: 0 }) ?? {});
  if (parsed.success) return parsed.data;
  const complaints = parsed.error.issues.map(({ path: at, message }) => `${at.join(".")}: ${message}`);
  throw new Error(`${path}: ${complaints.join("; ")}`);
}
