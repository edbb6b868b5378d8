import { z } from "zod";
import { aliasName, objectName } from "../../../../shared/api/v1/common.ts";
import { NODE_NAME } from "../../../../shared/protocol/join-messages.ts";

/** A version's number in a path. */
const versionText = z
  .string()
  .regex(/^[1-9][0-9]{0,8}$/, "a version number, 1 or more")
  .transform(Number);
const idText = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "1–64 characters of A–Z, a–z, 0–9, `_`, `-`");

export const modelParams = z.strictObject({ model: objectName });
export const versionParams = modelParams.extend({ version: versionText });
export const diffParams = versionParams.extend({ other: versionText });
export const aliasParams = modelParams.extend({ alias: aliasName });
export const uploadParams = z.strictObject({ upload: idText });
export const nodeParams = z.strictObject({
  node: z.string().regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens"),
});
export const deploymentParams = z.strictObject({ deployment: objectName });
export const poolParams = z.strictObject({
  pool: z.string().regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens"),
});
export const idParams = z.strictObject({ id: idText });
