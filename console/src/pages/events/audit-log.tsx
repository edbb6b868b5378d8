import { useInfiniteQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { AgeOf } from "../../ui/age.tsx";
import { Failure, Loading } from "../../ui/states.tsx";

const EVERY_MS = 10_000;

export function AuditLog({ filter }: { readonly filter: string }) {
  const query = useInfiniteQuery({
    queryKey: ["audit"],
    queryFn: ({ pageParam }) =>
      bodyOf(
        api.GET("/api/v1/audit", {
          params: { query: { limit: 100, ...(pageParam !== undefined && { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    refetchInterval: EVERY_MS,
  });
  if (query.data === undefined)
    return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading />;
  const entries = query.data.pages
    .flatMap(({ items }) => items)
    .filter(({ actor, action, target, address }) => matchesWords(filter, [actor, action, target, address]));
  return (
    <>
      <div className="table">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">Did</th>
              <th scope="col">To</th>
              <th scope="col">From</th>
              <th scope="col">Detail</th>
            </tr>
          </thead>
          <tbody>
            {entries.map(({ id, at, actor, action, target, address, detail }) => (
              <tr key={id}>
                <td className="nowrap">
                  <AgeOf instant={at} />
                </td>
                <td>{actor}</td>
                <td className="nowrap">
                  <code>{action}</code>
                </td>
                <td>{target}</td>
                <td>{address}</td>
                <td>{Object.keys(detail).length > 0 && <code className="wrap">{JSON.stringify(detail)}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {entries.length === 0 && <p className="faint">Nothing yet.</p>}
      {query.hasNextPage && (
        <button type="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older entries
        </button>
      )}
    </>
  );
}
