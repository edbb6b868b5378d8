import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { AgeOf } from "../../ui/age.tsx";
import { useNodes } from "../../live/lists.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { QueryState } from "../../ui/query-state.tsx";

/** Tokens with which nodes join, without their secrets. */
export function JoinTokens({ everyMs }: { readonly everyMs: number }) {
  const mayOperate = useMayOperate();
  const { rows } = useNodes();
  const nameOf = (id: string): string => rows.find(({ item }) => item.id === id)?.item.name ?? id;
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ["join-tokens"],
    queryFn: () => bodyOf(api.GET("/api/v1/join-tokens", { params: { query: { limit: 500 } } })),
    refetchInterval: everyMs,
  });
  return (
    <QueryState query={query}>
      {({ items }) =>
        items.length === 0 ? (
          <p className="faint">None. The page of nodes makes one.</p>
        ) : (
          <div className="table">
            <table>
              <thead>
                <tr>
                  <th scope="col">Made</th>
                  <th scope="col">Kind</th>
                  <th scope="col">Site</th>
                  <th scope="col">Name</th>
                  <th scope="col">Used</th>
                  <th scope="col">Expires</th>
                  <th scope="col">
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((token) => (
                  <tr key={token.id} className={token.used >= token.uses ? "void" : undefined}>
                    <td className="nowrap">
                      <AgeOf instant={token.createdAt} />
                    </td>
                    <td>{token.kind}</td>
                    <td>{token.site}</td>
                    <td>{token.name ?? "any"}</td>
                    <td>
                      {token.used} of {token.uses}
                      {token.usedBy !== null && `, last by ${nameOf(token.usedBy)}`}
                    </td>
                    <td>{new Date(token.expiresAt).toLocaleString()}</td>
                    <td>
                      {mayOperate && (
                        <ConfirmButton
                          label="Delete"
                          title="Delete this join token?"
                          confirm="Delete"
                          isDanger
                          run={async () => {
                            await api.DELETE("/api/v1/join-tokens/{id}", { params: { path: { id: token.id } } });
                            await client.invalidateQueries({ queryKey: ["join-tokens"] });
                          }}
                        >
                          <p>No node joins with it after this. Nodes that have joined stay.</p>
                        </ConfirmButton>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      }
    </QueryState>
  );
}
