import { z } from "zod";
import { instant, labelMap, labels, objectName } from "../common.ts";

/** viewer reads · operator changes what serves · admin also manages keys · application only calls its models. */
export const role = z.enum(["viewer", "operator", "admin", "application"]);
export type Role = z.infer<typeof role>;

const perMinute = (max: number) => z.number().int().min(1).max(max).nullable().default(null);

/** What one key may have of each control plane; null: what every key may have. */
const limits = {
  requestsPerMinute: perMinute(1_000_000).describe("Requests in a minute, of the API and of models together."),
  concurrency: perMinute(10_000).describe("Requests to models that are under way at once."),
  tokensPerMinute: perMinute(1_000_000_000).describe("Tokens of texts in a minute, read and written."),
};
const NO_LIMITS = { requestsPerMinute: null, concurrency: null, tokensPerMinute: null };
export const keyLimits = z.strictObject(limits);
export type KeyLimits = z.infer<typeof keyLimits>;

const ttlDays = z.number().int().min(1).max(3_650);

export const createApiKey = z
  .strictObject({
    name: objectName,
    role,
    models: z
      .array(objectName)
      .max(100)
      .default([])
      .describe(
        "Models that an application may see and call. This and the next two add up; keys of other roles see all and take none.",
      ),
    modelLabels: labels
      .default({})
      .describe("Every model that has all of these labels, also one that gets them later. Empty: none."),
    deployments: z
      .array(objectName)
      .max(100)
      .default([])
      .describe("Deployments that an application may see; it may call the model that each serves."),
    limits: keyLimits.default(NO_LIMITS),
    ttlDays: ttlDays.optional(),
  })
  .superRefine(({ role: is, models, modelLabels, deployments }, context) => {
    if (is === "application") return;
    const scope = { models, modelLabels, deployments };
    for (const [field, value] of Object.entries(scope))
      if (Object.keys(value).length > 0)
        context.addIssue({
          code: "custom",
          path: [field],
          message: `narrows keys of applications alone: a key with the role ${is} sees everything; leave it out, or make the role \`application\``,
        });
  });
export type CreateApiKey = z.infer<typeof createApiKey>;

export const rotateApiKey = z.strictObject({
  overlapHours: z
    .number()
    .int()
    .min(0)
    .max(720)
    .default(24)
    .describe("How long the old key stays good beside the new one, unless it expires before."),
  ttlDays: ttlDays.optional().describe("How long the new key is good for. Default: as long as the old one was to be."),
});
export type RotateApiKey = z.infer<typeof rotateApiKey>;

export const apiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    role,
    models: z.array(z.string()),
    modelLabels: labelMap,
    deployments: z.array(z.string()),
    limits: z.object(limits),
    /** The key that took its place when it was rotated; null: none did. */
    successor: z.string().nullable(),
    createdAt: instant,
    expiresAt: instant.nullable(),
    lastUsedAt: instant.nullable(),
    revokedAt: instant.nullable(),
  })
  .meta({ id: "ApiKey" });
export type ApiKeyInfo = z.infer<typeof apiKey>;

/** The only answer that ever carries the key itself. */
export const createdApiKey = apiKey.extend({ key: z.string() });

/** `models`: what an application may call now, by names, labels and deployments together; empty for the other roles. */
export const whoami = z.object({
  keyId: z.string(),
  name: z.string(),
  role,
  models: z.array(z.string()),
  deployments: z.array(z.string()).default([]),
});
export type Whoami = z.infer<typeof whoami>;
