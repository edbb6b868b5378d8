import type { UseQueryResult } from "@tanstack/react-query";
import type { ErrorComponentProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { LiveSnapshot } from "../live/live-list.ts";
import { Failure, Loading } from "./states.tsx";

/** A query's answer, or what there is instead of it. An answer stays while a newer one is fetched or fails. */
export function QueryState<Data>({
  query,
  children,
}: {
  readonly query: UseQueryResult<Data>;
  readonly children: (data: Data) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <Loading />;
}

/** A live list once it is whole, or what there is instead of it. */
export function LiveState<Item>({
  list,
  children,
}: {
  readonly list: LiveSnapshot<Item>;
  readonly children: (list: LiveSnapshot<Item>) => ReactNode;
}) {
  if (list.link.kind === "refused") return <Failure error={list.link.failure} />;
  if (list.isWhole) return children(list);
  if (list.link.kind === "broken") return <Failure error={new Error(list.link.why)} isRetried />;
  return <Loading />;
}

export const RouteFailure = ({ error, reset }: ErrorComponentProps) => <Failure error={error} retry={reset} />;
