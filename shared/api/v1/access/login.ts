import { z } from "zod";
import { instant } from "../common.ts";
import { role, whoami } from "./keys.ts";

/** Where a page of the console finds a one-time code: behind `#code=` of its address, which no server is sent. */
export const CODE_FRAGMENT = "code";

/** By which a session's secret is told from an API key. */
export const TOKEN_PREFIX = "ss_";

/** The header in which a page sends its CSRF token with whatever is no GET. */
export const CSRF_HEADER = "x-csrf-token";

/** How a session begins: with an API key, or with a one-time code that somebody with a key has made. */
export const openSession = z.union([
  z.strictObject({ key: z.string().min(1).max(512).describe("An API key. The session has its rights.") }),
  z.strictObject({
    code: z.string().min(1).max(128).describe("A one-time code. The session has the rights of the key that made it."),
  }),
]);

/** A session in a browser, and whose it is. Its cookie is in the header `Set-Cookie` alone. */
export const session = whoami
  .extend({
    id: z.string(),
    csrfToken: z.string().describe("To send as `X-CSRF-Token` with every request that is no GET or HEAD."),
    expiresAt: instant.describe("When it ends at the latest."),
    idleUntil: instant.describe("When it ends if no request comes before."),
  })
  .meta({ id: "Session" });
export type Session = z.infer<typeof session>;

/** A session as an admin sees it. */
export const sessionInfo = z
  .object({
    id: z.string(),
    keyId: z.string().describe("Of the key that began it, or of the person."),
    isOfKey: z.boolean().describe("False: of a person who logged in at the identity provider."),
    name: z.string(),
    role,
    expiresAt: instant,
    idleUntil: instant,
  })
  .meta({ id: "SessionInfo" });
export type SessionInfo = z.infer<typeof sessionInfo>;

/** The only answer that ever carries the code. */
export const sessionCode = z.object({
  code: z.string(),
  expiresAt: instant,
});

/** Null: there is no identity provider, people log in with API keys. */
export const loginWays = z.object({ oidc: z.object({ issuer: z.string() }).nullable() });

/** The login of a person whose program has no browser: at any other one, with a code (RFC 8628). */
export const deviceLogin = z.object({
  deviceCode: z.string().describe("To ask for the session with."),
  userCode: z.string().describe("What the person enters."),
  verificationUri: z.string().describe("The page of the identity provider where."),
  verificationUriComplete: z.string().nullable().describe("The same with the code in it; null: the provider has none."),
  expiresInSeconds: z.number(),
  intervalSeconds: z.number().describe("How long to wait between two questions for the session."),
});

export const deviceCode = z.strictObject({ deviceCode: z.string().min(1).max(1_024) });

/** `open`: the only answer that ever carries the token, which is sent like an API key. */
export const deviceSession = z.discriminatedUnion("state", [
  z.object({ state: z.literal("pending"), slowDown: z.boolean().describe("Wait 5 s longer from now on.") }),
  z.object({ state: z.literal("open"), token: z.string(), session }),
]);
