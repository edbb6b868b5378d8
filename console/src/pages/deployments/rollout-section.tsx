import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { ApiFailure } from "../../api/failure.ts";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment, Rollout } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { actionsOf, type RolloutAction } from "../../core/deployments/rollout-actions.ts";
import { toneOfPhase } from "../../core/fleet/tone.ts";
import { useStream } from "../../live/use-stream.ts";
import { AgeOf } from "../../ui/age.tsx";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Meter, Status } from "../../ui/status.tsx";
import { RolloutTimeline } from "./rollout-timeline.tsx";

/** Where no stream says it: whether there is a first one, and what a broken link kept back. */
const EVERY_MS = 10_000;

/** The newest rollout with its evidence, what can be done about it, and those of before. */
export function RolloutSection({ deployment: { name, generation, status } }: { readonly deployment: Deployment }) {
  const client = useQueryClient();
  const queryKey = ["rollout", name] as const;
  const query = useQuery({ queryKey, queryFn: () => newestRollout(name), refetchInterval: EVERY_MS });
  // The watch is refused while there is none; it follows also to a newer one.
  const url = query.data ? `/api/v1/deployments/${encodeURIComponent(name)}/rollout?watch=true` : undefined;
  useStream<Rollout>(url, (changed) => client.setQueryData(queryKey, changed.at(-1)));
  const isNone = query.data === null;
  useEffect(() => {
    if (isNone) void client.invalidateQueries({ queryKey: ["rollout", name] });
  }, [client, name, isNone, generation, status.targetVersion]);
  return (
    <QueryState query={query}>
      {(rollout) =>
        rollout === null ? (
          <p className="faint">
            None yet. A spec with <code>rollout</code> brings another version in waves that have to prove themselves.
          </p>
        ) : (
          <>
            <Newest rollout={rollout} />
            <History deployment={name} newest={rollout.number} />
          </>
        )
      }
    </QueryState>
  );
}

/** Null: there was none, which is no failure. */
async function newestRollout(deployment: string): Promise<Rollout | null> {
  try {
    return await bodyOf(api.GET("/api/v1/deployments/{deployment}/rollout", { params: { path: { deployment } } }));
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return null;
    throw error;
  }
}

function Newest({ rollout }: { readonly rollout: Rollout }) {
  const mayOperate = useMayOperate();
  return (
    <article className="rollout">
      <header>
        <h3>
          {rollout.model}: version {rollout.from} → {rollout.to}
        </h3>
        <Status tone={toneOfPhase(rollout.phase)}>
          {rollout.phase} <AgeOf instant={rollout.phaseAt} />
        </Status>
        <span className="tag">{rollout.strategy}</span>
        {mayOperate && (
          <div className="controls">
            {actionsOf(rollout).map((action) => (
              <Act key={action} action={action} rollout={rollout} />
            ))}
          </div>
        )}
      </header>
      <p>{rollout.reason}</p>
      {rollout.waitsFor && <p className="note warn">{rollout.waitsFor.sentence}</p>}
      <Meter
        value={rollout.share}
        label={`${rollout.share} % of the requests go to version ${rollout.to}`}
        tone={toneOfPhase(rollout.phase)}
      />
      <RolloutTimeline rollout={rollout} />
    </article>
  );
}

const WORDS: Readonly<Record<RolloutAction, { readonly label: string; readonly what: string }>> = {
  pause: { label: "Pause", what: "It stays as it is until it is resumed." },
  resume: { label: "Resume", what: "It goes on where it was paused." },
  approve: { label: "Approve", what: "It goes on beyond the stage at which it waits." },
  promote: { label: "Promote", what: "All requests go to the new version at once, without the rest of the waves." },
  abort: { label: "Abort", what: "All requests return to the old version in one step." },
  undo: { label: "Undo", what: "The deployment returns to the version before." },
};

function Act({ action, rollout }: { readonly action: RolloutAction; readonly rollout: Rollout }) {
  const client = useQueryClient();
  const { label, what } = WORDS[action];
  const { deployment } = rollout;
  return (
    <ConfirmButton
      label={label}
      title={`${label} the rollout of ${deployment}?`}
      confirm={label}
      takesWhy
      isDanger={action === "abort" || action === "undo"}
      run={async (why) => {
        const body = why === undefined ? {} : { why };
        await api.POST(`/api/v1/deployments/{deployment}/rollout/${action}`, {
          params: { path: { deployment } },
          body,
        });
        await client.invalidateQueries({ queryKey: ["rollout", deployment] });
      }}
    >
      <p>
        Version {rollout.from} → {rollout.to}. {what}
      </p>
    </ConfirmButton>
  );
}

function History({ deployment, newest }: { readonly deployment: string; readonly newest: number }) {
  const query = useQuery({
    queryKey: ["rollout-history", deployment, newest],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/deployments/{deployment}/rollout/history", {
          params: { path: { deployment }, query: { limit: 50 } },
        }),
      ),
  });
  return (
    <QueryState query={query}>
      {({ items }) => {
        const before = items.filter(({ number }) => number !== newest);
        return (
          before.length > 0 && (
            <details>
              <summary>Earlier rollouts ({before.length})</summary>
              <ul className="needs">
                {before.map((rollout) => (
                  <li key={rollout.number}>
                    <Status tone={toneOfPhase(rollout.phase)}>
                      {rollout.from} → {rollout.to} {rollout.phase}
                    </Status>
                    <span>
                      {rollout.reason} <AgeOf instant={rollout.phaseAt} />, by {rollout.by}
                    </span>
                  </li>
                ))}
              </ul>
            </details>
          )
        );
      }}
    </QueryState>
  );
}
