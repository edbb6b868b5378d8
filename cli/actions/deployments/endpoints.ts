import { endpoint, type Endpoint } from "../../../shared/api/v1/inference.ts";
import { readList } from "../../api/lists.ts";
import { printList, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import type { CommandContext } from "../../run.ts";

const stateText = ({ state }: Endpoint, paint: Style): string =>
  state === "ready" ? paint.good(state) : state === "failed" ? paint.bad(state) : paint.warn(state);

/** Whose key a caller sends there, in as few words as a column takes. */
const keyText = ({ key }: Endpoint): string => (key === "node" ? "the node's own" : (key ?? ""));

const reachText = ({ reach }: Endpoint): string => (reach === "machine" ? "that machine only" : reach);

const view: View<Endpoint> = {
  name: (row) => row.url ?? row.node,
  columns: [
    { header: "NODE", value: (row) => row.node },
    { header: "KIND", value: (row) => row.kind },
    { header: "SITE", value: (row) => row.site },
    { header: "VERSION", value: (row) => String(row.version), align: "right" },
    { header: "STATE", value: stateText },
    { header: "REACH", value: reachText },
    { header: "KEY", value: keyText },
    { header: "URL", value: (row) => row.url ?? "" },
    { header: "NODE STATE", value: (row) => row.nodeState, wide: true },
  ],
};

/** `skerry deployments endpoints`: where a caller may go without the control plane. */
export async function listEndpoints(
  run: CommandContext,
  name: string,
  options: { readonly selector?: string },
): Promise<void> {
  const path = `/api/v1/deployments/${encodeURIComponent(name)}/endpoints`;
  const { raw, items } = await readList(await run.api(), path, endpoint, { selector: options.selector });
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view,
    empty: `No node serves ${name} on its own address. See \`skerry deployments get ${name}\`.`,
  });
}
