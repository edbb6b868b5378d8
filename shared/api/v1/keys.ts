import { z } from "zod";
import { instant, objectName } from "./common.ts";

/** viewer reads · operator changes what serves · admin also manages keys · application only calls its models. */
export const role = z.enum(["viewer", "operator", "admin", "application"]);
export type Role = z.infer<typeof role>;

export const createApiKey = z.strictObject({
  name: objectName,
  role,
  /** Models an application key may call; ignored for the other roles. */
  models: z.array(objectName).max(100).default([]),
  ttlDays: z.number().int().min(1).max(3_650).optional(),
});
export type CreateApiKey = z.infer<typeof createApiKey>;

export const apiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    role,
    models: z.array(z.string()),
    createdAt: instant,
    expiresAt: instant.nullable(),
    lastUsedAt: instant.nullable(),
    revokedAt: instant.nullable(),
  })
  .meta({ id: "ApiKey" });
export type ApiKeyInfo = z.infer<typeof apiKey>;

/** The only answer that ever carries the key itself. */
export const createdApiKey = apiKey.extend({ key: z.string() });

export const whoami = z.object({ keyId: z.string(), name: z.string(), role, models: z.array(z.string()) });
