import type { Session } from "./types.ts";

/** The session that this page acts for. Outside React: what sends requests asks it, and says when it has ended or changed. */
let current: Session | undefined;
const listeners = new Set<(session: Session | null) => void>();

/** `undefined`: this browser has signed out. */
export function keepSession(session: Session | undefined): void {
  current = session;
}

export const keptSession = (): Session | undefined => current;

/** What a request that changes something carries beside the cookie. */
export const csrfHeaders = (): Readonly<Record<string, string>> =>
  current === undefined ? {} : { "X-CSRF-Token": current.csrfToken };

/** The session is not the one that this page acts for; null: there is none. */
export function sessionChanged(session: Session | null): void {
  for (const listener of listeners) listener(session);
}

export function onSessionChange(listener: (session: Session | null) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
