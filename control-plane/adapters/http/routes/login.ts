import { z } from "zod";
import { deviceCode, deviceLogin, deviceSession, loginWays } from "../../../../shared/api/v1/access/login.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { OpenedSession } from "../../../app/access/login-sessions.ts";
import type { People } from "../../../app/access/people.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import { AttemptCookie, RETURN_TO } from "../auth/attempt-cookie.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { SessionCookie } from "../auth/session-cookie.ts";
import { definePublicRoute, type Route } from "../server/route.ts";
import { sessionOf } from "./sessions.ts";

const TAG = "Sessions";
const BEGIN = "/api/v1/login/oidc";
const PAGE = { failure: "The login did not work", again: BEGIN };
const CALLBACK = "/api/v1/login/oidc/callback";

export interface LoginRouteParts {
  /** Undefined: no identity provider is configured. */
  readonly people: People | undefined;
  readonly cookie: SessionCookie;
  readonly authenticator: Authenticator;
  readonly metrics: Pick<Metrics, "loginAnswered">;
  readonly publicUrl: string;
}

/** Logging in at an identity provider: in a browser, and with a code for a machine without one. */
export function loginRoutes(parts: LoginRouteParts): Route[] {
  const { people, cookie, authenticator, metrics, publicUrl } = parts;
  const attempts = new AttemptCookie(parts);
  const required = (): People => {
    if (people) return people;
    throw new SkerryError("NOT_FOUND", "no identity provider is configured here: log in with an API key");
  };
  /** Within the bounds on guesses of an address, and counted. */
  const admitted = async <Found>(address: string, login: () => Promise<Found>): Promise<Found> => {
    try {
      const found = await authenticator.attempt(address, login);
      if (isOpened(found)) metrics.loginAnswered({ by: "oidc", isAdmitted: true });
      return found;
    } catch (error) {
      metrics.loginAnswered({ by: "oidc", isAdmitted: false });
      throw error;
    }
  };
  return [
    definePublicRoute({
      method: "GET",
      path: "/api/v1/login",
      summary: "How people log in here",
      tag: TAG,
      answer: loginWays,
      statuses: [200],
      async handle() {
        return { body: { oidc: people ? { issuer: people.issuer } : null } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: BEGIN,
      summary: "Sends a browser to the identity provider, and from there back to `returnTo` with a session",
      tag: TAG,
      query: z.strictObject({ returnTo: z.string().regex(RETURN_TO, "must be a path").default("/") }),
      statuses: [303],
      opensInBrowser: PAGE,
      async handle({ query: { returnTo } }) {
        const { url, attempt } = await required().begin(`${publicUrl}${CALLBACK}`);
        const headers = { Location: url, "Set-Cookie": attempts.set({ ...attempt, returnTo }) };
        return { status: 303, empty: true, headers };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: CALLBACK,
      summary: "Where the identity provider sends the browser back",
      tag: TAG,
      query: z.object({}).catchall(z.string()),
      statuses: [303],
      opensInBrowser: PAGE,
      async handle({ query, header, address, requestId }) {
        const to = required();
        const attempt = attempts.read({ cookie: header("cookie") });
        if (!attempt)
          throw new SkerryError(
            "UNAUTHENTICATED",
            "this login was not begun in this browser, or took too long: begin again",
          );
        const callback = new URL(`${publicUrl}${CALLBACK}`);
        for (const [name, value] of Object.entries(query)) callback.searchParams.set(name, value);
        const opened = await admitted(address, () => to.finish(callback, attempt, { address, requestId }));
        const set = [cookie.set(opened.cookie, opened.lifeMs), attempts.clear()];
        return { status: 303, empty: true, headers: { Location: attempt.returnTo, "Set-Cookie": set } };
      },
    }),
    definePublicRoute({
      method: "POST",
      path: "/api/v1/login/device",
      summary: "Begin the login of a person at another machine's browser, which enters a code at the identity provider",
      tag: TAG,
      answer: deviceLogin,
      statuses: [201],
      async handle({ address }) {
        return { body: await admitted(address, () => required().beginDevice()) };
      },
    }),
    definePublicRoute({
      method: "POST",
      path: "/api/v1/login/device/session",
      summary: "The session of such a person: 202 until the code was entered",
      tag: TAG,
      body: deviceCode,
      answer: deviceSession,
      statuses: [201, 202],
      async handle({ body, address, requestId }) {
        const to = required();
        const found = await admitted(address, () => to.finishDevice(body.deviceCode, { address, requestId }));
        if (!isOpened(found)) return { status: 202, body: { state: "pending" as const, slowDown: found.slowDown } };
        return { status: 201, body: { state: "open" as const, token: found.cookie, session: sessionOf(found.caller) } };
      },
    }),
  ];
}

const isOpened = (found: unknown): found is OpenedSession =>
  typeof found === "object" && found !== null && "cookie" in found;
