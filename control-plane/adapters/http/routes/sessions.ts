import { listOf, listQuery, toInstant } from "../../../../shared/api/v1/common.ts";
import {
  openSession,
  session,
  sessionCode,
  sessionInfo,
  type Session,
} from "../../../../shared/api/v1/access/login.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { LoginSessions, OpenedSession } from "../../../app/access/login-sessions.ts";
import type { LoginBy, Metrics } from "../../../ports/metrics.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { SessionCookie } from "../auth/session-cookie.ts";
import { actorOf, definePublicRoute, defineRoute, type RequestFacts, type Route } from "../server/route.ts";
import { paginate } from "../rest/paginate.ts";
import { idParams } from "./params.ts";
import { whoamiOf } from "./whoami.ts";

const TAG = "Sessions";

export interface SessionRouteParts {
  readonly logins: LoginSessions;
  readonly authenticator: Authenticator;
  readonly cookie: SessionCookie;
  readonly metrics: Pick<Metrics, "loginAnswered">;
}

/** A session begins no other one: it ends after its time, also for somebody who has stolen it. */
export function sessionRoutes({ logins, authenticator, cookie, metrics }: SessionRouteParts): Route[] {
  const byKey = async (key: string, facts: RequestFacts): Promise<OpenedSession> => {
    const caller = await authenticator.authenticate(`Bearer ${key}`, facts.address);
    if (caller.session) throw new SkerryError("UNAUTHENTICATED", "this is the token of a session, not an API key");
    return logins.open(caller, actorOf(caller, facts));
  };
  const byCode = (code: string, { address, requestId }: RequestFacts): Promise<OpenedSession> =>
    authenticator.attempt(address, async () => {
      const opened = await logins.openByCode(code, { address, requestId });
      if (opened) return opened;
      throw new SkerryError("UNAUTHENTICATED", "the code is unknown, was used or has expired: make another one");
    });
  const counted = async (by: LoginBy, open: Promise<OpenedSession>): Promise<OpenedSession> => {
    try {
      const opened = await open;
      metrics.loginAnswered({ by, isAdmitted: true });
      return opened;
    } catch (error) {
      metrics.loginAnswered({ by, isAdmitted: false });
      throw error;
    }
  };
  return [
    definePublicRoute({
      method: "POST",
      path: "/api/v1/session",
      summary:
        "Log in with an API key or a one-time code: begin a session, whose cookie a browser sends in place of a key",
      tag: TAG,
      body: openSession,
      answer: session,
      statuses: [201],
      async handle({ body, ...facts }) {
        cookie.refuseForeign({
          origin: facts.header("origin"),
          host: facts.header("host"),
          "sec-fetch-site": facts.header("sec-fetch-site"),
        });
        const { caller, ...opened } =
          "key" in body
            ? await counted("key", byKey(body.key, facts))
            : await counted("code", byCode(body.code, facts));
        return { body: sessionOf(caller), headers: { "Set-Cookie": cookie.set(opened.cookie, opened.lifeMs) } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/session",
      summary: "The session of this cookie: whose it is, what it may do and when it ends",
      tag: TAG,
      action: "self.read",
      answer: session,
      statuses: [200],
      async handle({ caller }) {
        return { body: sessionOf(caller) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/session",
      summary: "Log out: end the session of this cookie",
      tag: TAG,
      action: "self.sessions",
      statuses: [204],
      async handle({ caller, actor }) {
        await logins.end(requireSession(caller).id, actor);
        return { status: 204, empty: true, headers: { "Set-Cookie": cookie.clear() } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/sessions",
      summary: "Who is logged in: the sessions of people and browsers",
      tag: TAG,
      action: "keys.read",
      query: listQuery,
      answer: listOf(sessionInfo),
      statuses: [200],
      async handle({ query }) {
        const labelsOf = ({ name, role }: { name: string; role: string }) => ({ name, role });
        return { body: paginate(await logins.list(), query, { keyOf: ({ name, id }) => `${name} ${id}`, labelsOf }) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/sessions/{id}",
      summary: "End a session of somebody, with the streams that are open by it",
      tag: TAG,
      action: "keys.write",
      params: idParams,
      statuses: [204],
      async handle({ params, actor }) {
        await logins.end(params.id, actor);
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/session/codes",
      summary:
        "Make a code that begins one session of the caller in a browser, within two minutes; it is shown this once",
      tag: TAG,
      action: "self.sessions",
      answer: sessionCode,
      statuses: [201],
      answersSecret: true,
      async handle({ caller, actor }) {
        if (caller.session)
          throw new SkerryError(
            "CONFLICT",
            caller.session.isOfKey
              ? "a session makes no code: send the API key in its place"
              : `${caller.name} has no key: log in at the identity provider in that browser`,
          );
        const { code, expiresAt } = await logins.createCode(actor);
        return { body: { code, expiresAt: toInstant(expiresAt) } };
      },
    }),
  ];
}

/** Throws `NOT_FOUND`. */
function requireSession({ session: found }: Caller): NonNullable<Caller["session"]> {
  if (!found) throw new SkerryError("NOT_FOUND", "this request carries an API key: it has no session");
  return found;
}

export function sessionOf(caller: Caller): Session {
  const { id, csrfToken, expiresAt, idleUntil } = requireSession(caller);
  return { ...whoamiOf(caller), id, csrfToken, expiresAt: toInstant(expiresAt), idleUntil: toInstant(idleUntil) };
}
