import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { ApiKey } from "../../api/types.ts";
import { useIsAdmin } from "../../app/session-context.ts";
import { AgeOf } from "../../ui/age.tsx";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Status } from "../../ui/status.tsx";
import { JoinTokens } from "./join-tokens.tsx";
import { NewKeyDialog } from "./new-key-dialog.tsx";

/** How often both lists are asked for: nothing watches them. */
const EVERY_MS = 15_000;

/** API keys, for admins, and join tokens. */
export function KeysPage() {
  const isAdmin = useIsAdmin();
  const [isMaking, setMaking] = useState(false);
  return (
    <>
      <PageHead
        title="Keys and tokens"
        sentence="API keys are for people and programs, join tokens for nodes. Both lists are asked for every 15 s."
      >
        {isAdmin && (
          <button type="button" className="primary" onClick={() => setMaking(true)}>
            Make a key
          </button>
        )}
      </PageHead>
      <Section title="API keys">
        {isAdmin ? <Keys /> : <p className="note">Only admins see and make API keys.</p>}
      </Section>
      <Section title="Join tokens">
        <JoinTokens everyMs={EVERY_MS} />
      </Section>
      {isMaking && <NewKeyDialog onClose={() => setMaking(false)} />}
    </>
  );
}

function Keys() {
  const query = useQuery({
    queryKey: ["keys"],
    queryFn: () => bodyOf(api.GET("/api/v1/api-keys", { params: { query: { limit: 500 } } })),
    refetchInterval: EVERY_MS,
  });
  return (
    <QueryState query={query}>
      {({ items }) => (
        <div className="table">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">May call</th>
                <th scope="col">Made</th>
                <th scope="col">Last used</th>
                <th scope="col">State</th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((key) => (
                <KeyRow key={key.id} of={key} now={query.dataUpdatedAt} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </QueryState>
  );
}

function KeyRow({ of: key, now }: { readonly of: ApiKey; readonly now: number }) {
  const client = useQueryClient();
  const isExpired = key.expiresAt !== null && Date.parse(key.expiresAt) <= now;
  const isVoid = key.revokedAt !== null || isExpired;
  return (
    <tr className={isVoid ? "void" : undefined}>
      <th scope="row">{key.name}</th>
      <td>{key.role}</td>
      <td>{scopeOf(key)}</td>
      <td className="nowrap">
        <AgeOf instant={key.createdAt} />
      </td>
      <td className="nowrap">{key.lastUsedAt === null ? "never" : <AgeOf instant={key.lastUsedAt} />}</td>
      <td className="nowrap">
        <Status tone={isVoid ? "idle" : "good"}>
          {key.revokedAt !== null ? "revoked" : isExpired ? "expired" : "good"}
        </Status>
      </td>
      <td>
        {!isVoid && (
          <ConfirmButton
            label="Revoke"
            title={`Revoke the key ${key.name}?`}
            confirm="Revoke"
            isDanger
            run={async () => {
              await api.DELETE("/api/v1/api-keys/{id}", { params: { path: { id: key.id } } });
              await client.invalidateQueries({ queryKey: ["keys"] });
            }}
          >
            <p>Requests and sessions with it are refused within a second. This cannot be undone.</p>
          </ConfirmButton>
        )}
      </td>
    </tr>
  );
}

function scopeOf({ role, models, modelLabels, deployments }: ApiKey): string {
  if (role !== "application") return role === "viewer" ? "nothing" : "every model";
  const labels = Object.entries(modelLabels).map(([key, value]) => `${key}=${value}`);
  return [...models, ...deployments, ...labels].join(", ") || "nothing";
}
