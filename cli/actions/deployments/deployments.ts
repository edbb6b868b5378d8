import { deployment, type Deployment, lastingDeployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { placement, type Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { cascadeRules } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { type ListOptions, readList } from "../../api/lists.ts";
import { isApiFailure } from "../../api/problem.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import { printChanges } from "../../output/print-changes.ts";
import type { Style } from "../../output/paint.ts";
import { formatAge, formatSince } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { conditionOf, waitForDeployment } from "../../wait/deployment-ready.ts";
import { waitUntil } from "../../wait/wait-until.ts";
import { placementView, sharingText } from "../models/models.ts";

const pathOf = (name: string): string => `/api/v1/deployments/${encodeURIComponent(name)}`;
const counts = ({ ready, placed, wanted }: Deployment["status"]["edge"]): string =>
  wanted === 0 && placed === 0 ? "–" : `${ready}/${wanted}`;

function stateText(of: Deployment, paint: Style): string {
  const ready = conditionOf(of, "Ready");
  if (ready?.status === "True") return paint.good("Ready");
  const stalled = conditionOf(of, "Stalled");
  if (stalled?.status === "True") return paint.bad(stalled.reason);
  return paint.warn(ready?.reason ?? "Unknown");
}

const changedText = ({ status: { changedAgeMs } }: Deployment): string =>
  changedAgeMs === null ? "" : `${formatAge(changedAgeMs)} ago`;

const view: View<Deployment> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "MODEL", value: (row) => `${row.spec.model}:${row.spec.version}` },
    {
      header: "SERVES",
      value: (row) => (row.status.activeVersion === null ? "" : String(row.status.activeVersion)),
      align: "right",
    },
    { header: "STATE", value: stateText },
    { header: "EDGE", value: (row) => counts(row.status.edge), align: "right" },
    { header: "CLOUD", value: (row) => counts(row.status.cloud), align: "right" },
    { header: "CHANGED", value: changedText, isMeasured: true },
    { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
    { header: "PRIORITY", value: (row) => String(row.spec.priority ?? 0), align: "right", wide: true },
    { header: "RESIDENCY", value: (row) => row.spec.placement.residency, wide: true },
    { header: "URL", value: (row) => row.status.url, wide: true },
    { header: "NOT PLACED", value: (row) => row.status.unplaced.join("; "), wide: true },
  ],
};

const EMPTY = "Nothing is deployed. Declare something with `skerry apply -f FILE`.";

export async function listDeployments(run: CommandContext, options: ListOptions): Promise<void> {
  const api = await run.api();
  const { output, globals } = run;
  if (options.watch === true)
    return printChanges(run, api, { ...watchedDeployments, selector: options.selector }, { view, empty: EMPTY });
  const { raw, items } = await readList(api, watchedDeployments.path, deployment, {
    selector: options.selector,
    limit: options.limit,
  });
  await printList({ output, format: globals.format, view, empty: EMPTY, raw, rows: items });
}

export const watchedDeployments = {
  path: "/api/v1/deployments",
  schema: deployment,
  nameOf: ({ name }: Deployment) => name,
  lasting: lastingDeployment,
  what: "deployments",
} as const;

/** Exit code 2 while something of it cannot be placed: a script may ask and decide. `watch`: never returns. */
export async function getDeployment(
  run: CommandContext,
  name: string,
  { watch }: { readonly watch?: boolean } = {},
): Promise<ExitCode> {
  const api = await run.api();
  if (run.globals.wait) {
    const { generation } = decode(deployment, (await api.get(pathOf(name))).body, "a deployment");
    await waitForDeployment(run, api, name, generation);
  }
  const { body } = await api.get(pathOf(name));
  if (watch === true) {
    const list = { ...watchedDeployments, selector: `name=${name}` };
    await printChanges(run, api, list, { view, empty: `${name} is gone.` });
  }
  const found = decode(deployment, body, "a deployment");
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: found.name,
    describe: () => describe(run, api, found),
  });
  return found.status.unplaced.length > 0 ? EXIT.unmet : EXIT.ok;
}

async function describe(run: CommandContext, api: ApiClient, of: Deployment): Promise<string> {
  const { renderFields, renderTable } = await import("../../output/table.ts");
  const { paint } = run.output;
  const { status, spec } = of;
  const kind = (label: string, of: Deployment["status"]["edge"]): string =>
    `${of.ready} ready of ${of.wanted} wanted on ${label} nodes (${of.placed} placed)`;
  const fields = renderFields(
    [
      ["Name", paint.strong(of.name)],
      [
        "Model",
        `${spec.model}:${spec.version}${status.targetVersion === null ? "" : `, which is version ${status.targetVersion}`}`,
      ],
      ["Serves", status.activeVersion === null ? "nothing yet" : `version ${status.activeVersion}`],
      ["Replicas", [kind("edge", status.edge), kind("cloud", status.cloud)].join("\n")],
      ["Residency", spec.placement.residency],
      ["Cascade", cascadeText(spec)],
      ["Priority", spec.priority === undefined ? "" : String(spec.priority)],
      [
        "Generation",
        `${of.generation}${status.observedGeneration < of.generation ? `, not looked at yet (${status.observedGeneration} is)` : ""}`,
      ],
      ["Changed", changedText(of)],
      ["Url", status.url],
      ["Age", formatSince(of.createdAt, Date.now())],
      ["Not placed", status.unplaced.join("\n")],
    ],
    paint,
  );
  const conditions = renderTable(
    status.conditions,
    [
      { header: "CONDITION", value: (row) => row.type },
      {
        header: "STATUS",
        value: (row, with_) =>
          (row.status === "True") === (row.type === "Ready" || row.type === "Progressing")
            ? row.status
            : with_.warn(row.status),
      },
      { header: "REASON", value: (row) => row.reason },
      { header: "MESSAGE", value: (row) => row.message },
    ],
    { wide: true, paint },
  );
  const { items } = await readList(api, `${pathOf(of.name)}/placements`, placement);
  const wide = run.globals.format === "wide";
  const replicas = renderTable(items, placementView.columns, { wide, paint });
  const runs = wide ? "" : sharedRuns(items);
  return [fields, conditions, ...(items.length > 0 ? [replicas] : []), ...(runs === "" ? [] : [runs])].join("\n\n");
}

const cascadeText = ({ cascade }: Deployment["spec"]): string =>
  cascade === undefined
    ? ""
    : [
        `${cascade.to} answers`,
        ...cascadeRules(cascade).map((rule) => `  ${rule}`),
        ...(cascade.uploadBudget === undefined
          ? []
          : [`with at most ${cascade.uploadBudget.bytes} bytes to cloud nodes in ${cascade.uploadBudget.seconds} s`]),
      ].join("\n");

/** One line for each answer to whether requests share runs, with the nodes that give it. */
function sharedRuns(placements: readonly Placement[]): string {
  const byText = Map.groupBy(placements, ({ sharing }) => sharingText(sharing));
  return [...byText]
    .filter(([text]) => text !== "")
    .map(([text, of]) => `Shared runs on ${of.map(({ node }) => node).join(", ")}: ${text}`)
    .join("\n");
}

export async function removeDeployment(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const { headers } = await api.get(pathOf(name));
  await api.delete(pathOf(name), headers.get("etag"));
  run.output.say(`deployment ${name} is taken away; its replicas drain`);
  if (run.globals.wait) {
    await waitUntilGone(run, api, name);
    run.output.say(`deployment ${name} is gone`);
  }
  run.output.next("deployments ls");
}

async function waitUntilGone(run: CommandContext, api: ApiClient, name: string): Promise<void> {
  const { node } = await import("../../../shared/api/v1/nodes/nodes.ts");
  let left: readonly string[] = [];
  try {
    await waitUntil(run, async () => {
      if (await exists(api, name)) return false;
      const { items } = await readList(api, "/api/v1/nodes", node);
      left = items
        .filter(({ placements }) => placements.some((one) => one.deployment === name && one.state !== "gone"))
        .map((one) => one.name);
      return left.length === 0;
    });
  } catch (error) {
    if (!Error.isError(error) || error.name !== "WaitTimeout") throw error;
    throw new CliFailure(EXIT.unmet, {
      what: `deployment "${name}" still has replicas on ${left.join(", ")}`,
      fix: "a node that is away lets go when it comes back; look with `skerry nodes ls`",
    });
  }
}

async function exists(api: ApiClient, name: string): Promise<boolean> {
  try {
    await api.get(pathOf(name));
    return true;
  } catch (error) {
    if (isApiFailure(error) && error.status === 404) return false;
    throw error;
  }
}
