import { readFile } from "node:fs/promises";
import { z } from "zod";
import { httpUrl } from "../../shared/config/setting-types.ts";
import { objectName } from "../../shared/api/v1/common.ts";
import { role } from "../../shared/api/v1/access/keys.ts";
import { isLoopback } from "../../shared/base/network/loopback.ts";
import type { GroupRule } from "../core/access/people.ts";

/** The settings of people who log in, each with the sentence that explains it. */
export const oidcSettings = {
  SKERRY_OIDC_ISSUER: httpUrl
    .optional()
    .describe(
      "OpenID Connect provider where people log in, e.g. https://login.example/realms/main. Default: people use API keys.",
    ),
  SKERRY_OIDC_CLIENT_ID: z.string().min(1).optional().describe("The name of this control plane at the provider."),
  SKERRY_OIDC_CLIENT_SECRET_FILE: z
    .string()
    .min(1)
    .optional()
    .describe("File of the secret of SKERRY_OIDC_CLIENT_ID. Default: it has none."),
  SKERRY_OIDC_SCOPES: z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, "not scopes with a space between them")
    .default("openid profile email")
    .describe("What is asked of the provider: add what it needs to name the person's groups."),
  SKERRY_OIDC_GROUPS_CLAIM: z
    .string()
    .min(1)
    .default("groups")
    .describe("The claim of the ID token with the person's groups: a list of texts, or one text."),
  SKERRY_OIDC_ROLES: z
    .string()
    .optional()
    .transform(rulesOrComplain)
    .describe(
      "Which groups have which role, with a semicolon between them: GROUP=viewer, operator or admin, or GROUP=application:MODEL+MODEL; * is everybody. The first that fits counts, and others are refused.",
    ),
};

type Given = z.output<z.ZodObject<typeof oidcSettings>>;

export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string | undefined;
  readonly scopes: string;
  readonly groupsClaim: string;
  readonly rules: readonly GroupRule[];
}

function rulesOrComplain(text: string | undefined, context: z.RefinementCtx): readonly GroupRule[] {
  const parts = (text ?? "").split(";").map((part) => part.trim());
  return parts
    .filter((part) => part !== "")
    .flatMap((part) => {
      const rule = ruleOf(part);
      if (rule === undefined)
        context.addIssue({ code: "custom", message: `${part} is not GROUP=ROLE or GROUP=application:MODEL+MODEL` });
      return rule ?? [];
    });
}

/** The last `=` counts: groups may be distinguished names. */
function ruleOf(text: string): GroupRule | undefined {
  const at = text.lastIndexOf("=");
  const [name, models] = text.slice(at + 1).split(":", 2);
  const parsed = z
    .object({ group: z.string().min(1), role, models: z.array(objectName) })
    .safeParse({ group: text.slice(0, Math.max(at, 0)), role: name, models: models?.split("+") ?? [] });
  if (!parsed.success) return undefined;
  return (parsed.data.role === "application") === (models !== undefined) ? parsed.data : undefined;
}

/** What is wrong with the settings together; undefined when nothing is. */
export function oidcComplaint(given: Given): string | undefined {
  const { SKERRY_OIDC_ISSUER: issuer, SKERRY_OIDC_CLIENT_ID: clientId, SKERRY_OIDC_ROLES: rules } = given;
  if (issuer === undefined)
    return clientId !== undefined || rules.length > 0 || given.SKERRY_OIDC_CLIENT_SECRET_FILE !== undefined
      ? "other settings of people are given, and this is not"
      : undefined;
  if (clientId === undefined) return "SKERRY_OIDC_CLIENT_ID is missing";
  if (rules.length === 0) return "SKERRY_OIDC_ROLES is missing: nobody could log in";
  if (issuer.startsWith("http:") && !isLoopback(new URL(issuer).hostname))
    return `${issuer} is plain text, and not on this machine`;
  return given.SKERRY_OIDC_SCOPES.split(" ").includes("openid") ? undefined : "SKERRY_OIDC_SCOPES lacks openid";
}

/** The settings that `oidcComplaint` has nothing against; undefined: people use API keys. */
export function oidcOf(given: Given): OidcSettings | undefined {
  if (given.SKERRY_OIDC_ISSUER === undefined) return undefined;
  return {
    issuer: given.SKERRY_OIDC_ISSUER,
    clientId: given.SKERRY_OIDC_CLIENT_ID ?? "",
    clientSecretFile: given.SKERRY_OIDC_CLIENT_SECRET_FILE,
    scopes: given.SKERRY_OIDC_SCOPES,
    groupsClaim: given.SKERRY_OIDC_GROUPS_CLAIM,
    rules: given.SKERRY_OIDC_ROLES,
  };
}

/** The secret in the file, without the end of its line. */
export const readClientSecret = async (file: string): Promise<string> => (await readFile(file, "utf8")).trim();
