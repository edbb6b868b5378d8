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
