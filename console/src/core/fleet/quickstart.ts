/** Which steps of the quickstart have happened. */
export function quickstartOf(seen: {
  readonly nodes: readonly { readonly state: string }[];
  readonly models: number;
  readonly deployments: readonly {
    readonly status: { readonly conditions: readonly { type: string; status: string }[] };
  }[];
}): { readonly node: boolean; readonly model: boolean; readonly deployment: boolean; readonly ready: boolean } {
  return {
    node: seen.nodes.some(({ state }) => state === "ready"),
    model: seen.models > 0,
    deployment: seen.deployments.length > 0,
    ready: seen.deployments.some(({ status }) =>
      status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"),
    ),
  };
}

/** Whether the steps are shown: while nothing is deployed, and from there until somebody hides them or leaves them all ticked. */
export const showsQuickstart = (deployments: number, mark: QuickstartMark): boolean =>
  deployments === 0 || mark === "shown";

/** What this tab remembers: it has shown the steps, or they were done with; null: neither. */
export type QuickstartMark = "shown" | "done" | null;
