import { z } from "zod";
import { parseOrigins } from "../inference/http/cors.ts";
import { DEFAULT_BODIES_BYTES, DEFAULT_BODY_BYTES, MAX_BODY_BYTES } from "../protocol/limits.ts";

const MIB = 1_048_576;

/** What settings of control plane and node have in common. All are text of the environment; each side adds the sentence. */

/** 0: the system chooses. */
export const port = z.coerce.number().int().min(0).max(65_535);

export const flag = z
  .enum(["0", "1"])
  .default("0")
  .transform((text) => text === "1");

/** An http or https URL, without a slash at the end. */
export const httpUrl = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));

/** Origins of pages, comma-separated; none by default. */
export const origins = z.string().optional().transform(originsOrComplain);

function originsOrComplain(text: string | undefined, context: z.RefinementCtx): readonly string[] {
  const parsed = text === undefined ? [] : parseOrigins(text);
  if (parsed === undefined) context.addIssue({ code: "custom", message: "an origin is a scheme and a host, no path" });
  return parsed ?? [];
}

/** `SKERRY_BODY_MIB` */
export const bodyMiB = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_BODY_BYTES / MIB)
  .default(DEFAULT_BODY_BYTES / MIB)
  .describe(`Largest body of an inference over HTTP, in MiB, ${MAX_BODY_BYTES / MIB} at most. Beyond it: 413.`);

/** `SKERRY_BODIES_MIB`: at the node; a control plane, which holds those of all nodes, has a larger default. */
export const bodiesMiB = z.coerce
  .number()
  .int()
  .min(1)
  .max(65_536)
  .default(DEFAULT_BODIES_BYTES / MIB);

export const logLevel = z
  .enum(["debug", "info", "warn", "error", "silent"])
  .default("info")
  .describe("Least level that is logged.");
