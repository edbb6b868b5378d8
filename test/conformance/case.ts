import { z } from "zod";

/** The form of a conformance case, as `cases/*.yaml` write it. README.md explains it to strangers. */

/** One piece of a body: the elements of a tensor as they travel, or bytes in hexadecimal. */
const blob = z.record(z.string(), z.union([z.array(z.union([z.number(), z.boolean(), z.string()])), z.string()]));
export type Blob = z.infer<typeof blob>;

const body = {
  /** Sent as JSON with the content type of JSON. */
  json: z.unknown().optional(),
  /** Sent as it stands: for JSON that YAML would change, and for what is no JSON. */
  text: z.string().optional(),
  /** A JSON header and the tensors behind it. The header's length is set from it, plus `lengthOff`. */
  binary: z
    .strictObject({ json: z.unknown(), blobs: z.array(blob).default([]), lengthOff: z.number().int().default(0) })
    .optional(),
  /** The only input's bytes, with a header length of 0. */
  raw: z.array(blob).optional(),
  /** So many spaces. */
  spaces: z.number().int().optional(),
};

/** A text that must be equal; or a pattern; or `false`: there must be none. */
const headerMatcher = z.union([z.string(), z.literal(false), z.strictObject({ $matches: z.string() })]);

export const conformanceCase = z.strictObject({
  /** A sentence, unique in its file. */
  name: z.string().min(1),
  /** In addition to the file's. `-tag` takes one of the file's away. */
  tags: z.array(z.string()).default([]),
  /** Whose key the request carries: `none`, or one of the keys that the runner was given. */
  as: z.enum(["default", "none", "wrong", "viewer", "application"]).default("default"),
  request: z.strictObject({
    method: z.string().default("POST"),
    path: z.string().startsWith("/"),
    /** In addition to those that follow from the body; `false` leaves one of those out. */
    headers: z.record(z.string(), z.union([z.string(), z.literal(false)])).default({}),
    ...body,
    /** Sent so many times at once; then `expect` has to hold for one answer and `elseStatus` for all others. */
    times: z.number().int().min(2).max(64).optional(),
  }),
  expect: z.strictObject({
    status: z.number().int(),
    elseStatus: z.array(z.number().int()).optional(),
    headers: z.record(z.string(), headerMatcher).default({}),
    /** The whole body as JSON, by the rules of `match.ts`. */
    json: z.unknown().optional(),
    /** A JSON header by the same rules, and the exact bytes of the tensors behind it. */
    binary: z.strictObject({ json: z.unknown(), blobs: z.array(blob) }).optional(),
    /** True: no byte. */
    empty: z.literal(true).optional(),
  }),
});
export type ConformanceCase = z.infer<typeof conformanceCase>;

export const caseFile = z.strictObject({
  /** What its cases are about. */
  about: z.string(),
  tags: z.array(z.string()).min(1),
  cases: z.array(conformanceCase).min(1),
});
