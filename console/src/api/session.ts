import { queryOptions } from "@tanstack/react-query";
import { ApiFailure } from "./failure.ts";
import { api, bodyOf } from "./client.ts";
import { keepSession } from "./session-token.ts";
import type { Session } from "./types.ts";

/** Behind `#` of the address, which browsers send to no server: `npm start` prints such an address. */
const CODE = "code";

/** The session of this browser; null without one. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: readSession,
  staleTime: Infinity,
  retry: false,
});

/** The address has a one-time code that was not taken yet. */
export const hasCode = (): boolean => codeOf(location.hash) !== null;

/** The session of this browser; a code of the address is taken first, once. */
export async function readSession(): Promise<Session | null> {
  const code = takeCode();
  const current = await currentSession();
  if (code === undefined || (current !== null && !mayReplace(current))) return current;
  // A code that was used or has expired is no reason to leave a session that is still good.
  return openSession({ code }).catch(() => current);
}

/** Anybody with a key can make such an address: a person who follows it must not act as somebody else without knowing. */
const mayReplace = ({ name }: Session): boolean =>
  window.confirm(`You are signed in as ${name}. Sign in anew with the code of this address?`);

async function currentSession(): Promise<Session | null> {
  try {
    return kept(await bodyOf(api.GET("/api/v1/session")));
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 401) return null;
    throw error;
  }
}

/** Begins a session with an API key or a one-time code. Throws `ApiFailure`. */
export async function openSession(by: { key: string } | { code: string }): Promise<Session> {
  return kept(await bodyOf(api.POST("/api/v1/session", { body: by })));
}

export async function endSession(): Promise<void> {
  await api.DELETE("/api/v1/session");
  keepSession(undefined);
}

function kept(session: Session): Session {
  keepSession(session);
  return session;
}

/** The one-time code of the address, which is then removed from it and from the history. */
function takeCode(): string | undefined {
  const code = codeOf(location.hash);
  if (code === null) return undefined;
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

const codeOf = (hash: string): string | null => new URLSearchParams(hash.slice(1)).get(CODE);
