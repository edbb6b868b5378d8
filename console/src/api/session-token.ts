/** The CSRF token of the session, and who wants to know that it ended. Outside React: the API client asks it. */
let csrfToken: string | undefined;
const listeners = new Set<() => void>();

export function keepCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

/** What a request that changes something carries beside the cookie. */
export const csrfHeaders = (method: string): Readonly<Record<string, string>> =>
  csrfToken === undefined || method === "GET" || method === "HEAD" ? {} : { "X-CSRF-Token": csrfToken };

/** An answer said that there is no session. */
export function sessionEnded(): void {
  for (const listener of listeners) listener();
}

export function onSessionEnd(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
