import { z } from "zod";
import { ERRORS } from "../../base/errors.ts";

/** Names of models, deployments and aliases: they stand in URLs and in files' names nowhere. */
export const OBJECT_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
export const objectName = z
  .string()
  .regex(OBJECT_NAME, "1–63 characters of a–z, 0–9, `.`, `_`, `-`, beginning with a letter or digit");
export const aliasName = z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, "1–63 characters, beginning with a letter");
export const versionNumber = z.number().int().min(1).max(2_147_483_647);
export const labelMap = z.record(z.string().max(128), z.string().max(256));
/** As many as a person reads. Each label is compared for every node whenever the fleet is planned. */
const MAX_ENTRIES = 64;

/** A map as a caller may send it: of bounded size. */
export const boundedMap = <Value extends z.ZodType>(value: Value, { keyCharacters }: { keyCharacters: number }) =>
  z
    .record(z.string().min(1).max(keyCharacters), value)
    .refine((map) => Object.keys(map).length <= MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`)
    .meta({ maxProperties: MAX_ENTRIES });
/** Labels as a caller may send them. */
export const labels = boundedMap(z.string().max(256), { keyCharacters: 128 });
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits");
export const managedBy = z
  .literal("kubernetes")
  .describe(
    "A custom resource in Kubernetes declares it: this API shows it and changes nothing. Absent: this API declares it.",
  );
/** An instant, RFC 3339. */
export const instant = z.string();
/** `ms` since 1970 as an instant. */
export const toInstant = (ms: number): string => new Date(ms).toISOString();
/** ms since 1970 of an instant; NaN when it is none. */
export const msOfInstant = (text: string): number => Date.parse(text);

/** The body of every error under `/api/v1` (RFC 9457). */
export const problem = z
  .object({
    type: z.string(),
    /** The sentence of the catalog; the same for every error of this code. */
    title: z.string(),
    status: z.number().int(),
    /** What happened this time: where, by name, and why. */
    detail: z.string(),
    /** A code of the catalog. Not an enum: an older client must read the codes of a newer server. */
    code: z.string().meta({ examples: Object.keys(ERRORS) }),
    fix: z.string(),
    docs: z.string(),
    requestId: z.string(),
    /** One entry for every field that was refused. */
    causes: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof problem>;

export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

const pageSize = z.coerce.number().int().min(1).max(500);
const limit = pageSize.default(100);
const cursor = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_-]+$/, "the `nextCursor` of the page before")
  .optional();
/** As Kubernetes writes it: `site=harbour,gpu!=none,zone in (a, b),!spare`. */
/** Why a person does something. Written out instead of \P{Cc}: what reads /openapi.json may know no classes of Unicode. */
export const reasonText = z
  .string()
  .min(1)
  .max(500)
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  .regex(/^[^\x00-\x1f\x7f-\x9f]+$/u, "one line");

const labelSelector = z.string().max(500).optional();

export const listQuery = z.strictObject({ limit, cursor, labelSelector });
export type ListQuery = z.infer<typeof listQuery>;

const watch = z
  .enum(["", "true", "false"])
  .default("false")
  .describe(
    "`true`, or without a value: the answer is a stream of server-sent events (`text/event-stream`). " +
      "First `reset`, `added` for each object and a `bookmark`, then `added`, `modified` or `deleted` for each change, with the object as `data`. " +
      "`Last-Event-ID` resumes after a message; where that is not possible, the stream begins with `reset` again.",
  );

/** For one object that can be followed. */
export const watchQuery = z.strictObject({ watch });

/** For lists that can be followed. */
export const watchableListQuery = z
  .strictObject({
    limit: pageSize.optional().describe("Items of a page, 100 unless given. Not together with `watch`."),
    cursor: cursor.describe("The `nextCursor` of the page before. Not together with `watch`."),
    labelSelector,
    watch,
  })
  .superRefine(({ watch, ...page }, context) => {
    if (watch === "false") return;
    for (const name of ["limit", "cursor"] as const)
      if (page[name] !== undefined)
        context.addIssue({ code: "custom", path: [name], message: "does not go together with `watch`" });
  });
export type WatchableListQuery = z.infer<typeof watchableListQuery>;

/** For lists whose items carry no labels. */
export const pageQuery = z.strictObject({ limit, cursor });
