import { failureOf } from "./failure.ts";
import { csrfHeaders, keepSession, keptSession, sessionChanged } from "./session-token.ts";
import type { Session } from "./types.ts";

const LOOK_MS = 20_000;

/**
 * Sends a request as the session of this browser. Another tab may have begun a new session since, whose token this page
 * does not know: then the session is read and, when it is of the same person, the request is sent once more. Of another
 * person it is not: the page shows who that is first. Rejects as `fetch` does.
 */
export async function send(request: Request): Promise<Response> {
  if (request.method === "GET" || request.method === "HEAD") return fetch(request);
  const again = request.clone();
  const response = await fetch(withToken(request));
  if (response.status !== 403 || (await failureOf(response.clone())).code !== "CSRF_REFUSED") return response;
  return (await isSamePerson()) ? fetch(withToken(again)) : response;
}

function withToken(request: Request): Request {
  for (const [name, value] of Object.entries(csrfHeaders())) request.headers.set(name, value);
  return request;
}

async function isSamePerson(): Promise<boolean> {
  const before = keptSession();
  const response = await fetch("/api/v1/session", { signal: AbortSignal.timeout(LOOK_MS) });
  if (response.status === 401) sessionChanged(null);
  if (!response.ok) return false;
  const session = (await response.json()) as Session;
  keepSession(session);
  if (before === undefined || before.csrfToken === session.csrfToken) return false;
  if (before.name === session.name && before.role === session.role) return true;
  sessionChanged(session);
  return false;
}
