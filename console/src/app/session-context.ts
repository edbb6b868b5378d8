import { createContext, use } from "react";
import type { Session } from "../api/types.ts";

export const SessionContext = createContext<Session | undefined>(undefined);

/** Who is signed in. Only inside the frame, where somebody is. */
export function useSession(): Session {
  const session = use(SessionContext);
  if (session === undefined) throw new Error("there is no session here");
  return session;
}

/** Whether the session may change what serves: else controls that would be refused are not shown. */
export const useMayOperate = (): boolean => ["operator", "admin"].includes(useSession().role);
export const useIsAdmin = (): boolean => useSession().role === "admin";
