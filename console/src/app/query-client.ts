import { QueryClient } from "@tanstack/react-query";
import { ApiFailure } from "../api/failure.ts";
import { sessionQuery } from "../api/session.ts";
import type { Session } from "../api/types.ts";
import { restartLists } from "../live/lists.ts";

/** Answers that another try does not change. */
const isFinal = (error: unknown): boolean => error instanceof ApiFailure && error.status < 500 && error.status !== 429;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && !isFinal(error),
      refetchOnWindowFocus: true,
    },
  },
});

/** Somebody has signed in or out: what the one before has seen is forgotten. */
export function changeSession(session: Session | null): void {
  const before = queryClient.getQueryData(sessionQuery.queryKey);
  if (before !== undefined && before?.csrfToken === session?.csrfToken) return;
  queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
  queryClient.setQueryData(sessionQuery.queryKey, session);
  restartLists();
}
