import { keyIdOf } from "../../../shared/protocol/model-files/release.ts";
import { lastingPlacement, placement, type Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { model, type Model, modelVersion, type ModelVersion } from "../../../shared/api/v1/models.ts";
import { readList } from "../../api/lists.ts";
import {
  modelPath,
  parseModelReference,
  readModel,
  readVersion,
  resolveVersion,
  versionPath,
} from "../../models/reference.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import { printChanges } from "../../output/print-changes.ts";
import type { Style } from "../../output/paint.ts";
import { formatAge, formatBytes, formatSince, hostText } from "../../output/units.ts";
import { variantLine } from "../../models/variant-line.ts";
import { encoderLine } from "../../models/encoder-line.ts";
import type { CommandContext } from "../../run.ts";

const aliasText = (aliases: Model["aliases"]): string =>
  Object.entries(aliases)
    .map(([alias, version]) => `${alias}=${version}`)
    .join(", ");
const pairs = (map: Readonly<Record<string, string | number>>): string =>
  Object.entries(map)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");

const modelView: View<Model> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "NEWEST", value: (row) => (row.latestVersion === null ? "" : String(row.latestVersion)), align: "right" },
    { header: "ALIASES", value: (row) => aliasText(row.aliases) },
    { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
    { header: "LABELS", value: (row) => pairs(row.labels), wide: true },
  ],
};

export async function listModels(
  run: CommandContext,
  options: { readonly selector?: string; readonly limit?: number },
): Promise<void> {
  const { raw, items } = await readList(await run.api(), "/api/v1/models", model, options);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: items,
    view: modelView,
    empty: "There are no models. Upload one with `skerry models push FILE --model NAME`.",
  });
}

/** `ready`, or `rejected: why`, in the colour of what it means. */
export function versionStateText(of: ModelVersion, paint: Style): string {
  if (of.state === "ready") return paint.good("ready");
  return of.state === "rejected" ? paint.bad(`rejected: ${of.reason ?? "no reason given"}`) : of.state;
}

export async function getModel(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const found = await readModel(api, name);
  const { format } = run.globals;
  await printObject(run.output, format, {
    raw: found.raw,
    name: found.model.name,
    describe: async () => {
      const { items } = await readList(api, `${modelPath(name)}/versions`, modelVersion);
      const { renderFields, renderTable } = await import("../../output/table.ts");
      const { paint } = run.output;
      const head = renderFields(
        [
          ["Name", paint.strong(name)],
          ["Aliases", aliasText(found.model.aliases)],
          ["Labels", pairs(found.model.labels)],
        ],
        paint,
      );
      const versions = renderTable(
        items.toSorted((one, other) => other.version - one.version),
        [
          { header: "VERSION", value: (row) => String(row.version), align: "right" },
          { header: "STATE", value: versionStateText },
          { header: "SIZE", value: (row) => formatBytes(row.bytes), align: "right" },
          { header: "METRICS", value: (row) => pairs(row.metrics) },
          { header: "AGE", value: (row) => formatSince(row.createdAt, Date.now()) },
          { header: "DIGEST", value: (row) => (format === "wide" ? row.digest : row.digest.slice(0, 19)) },
          { header: "LABELS", value: (row) => pairs(row.labels), wide: true },
        ],
        { wide: format === "wide", paint },
      );
      return items.length === 0 ? `${head}\n\nIt has no version yet.` : `${head}\n\n${versions}`;
    },
  });
}

/** One line for each file of a bundle, the one that the runtime loads first. */
const filesFields = ({ main, files }: ModelVersion): [string, string][] =>
  files
    .toSorted((a, b) => Number(b.path === main) - Number(a.path === main))
    .map(({ path, bytes }, at) => [at === 0 ? "Files" : "", `${path} (${formatBytes(bytes)})`]);

/** Whether requests may share a run of it, and what stops the proof. */
function sharedRuns({ rows, state, runtime }: ModelVersion): string {
  if (runtime === "gguf") return "";
  if (runtime === "generate") return state === "ready" ? "where trials on the node find no difference" : "";
  if (runtime === "embed") return state === "ready" ? "where trials on the node find no difference" : "";
  if (rows === null) return state === "ready" ? "no: publish it again to have its graph examined" : "";
  return rows.kind === "independent" ? "yes: its rows are independent" : `no: ${rows.reason}`;
}

export async function inspectVersion(run: CommandContext, reference: string): Promise<void> {
  const api = await run.api();
  const parsed = parseModelReference(reference);
  const found = await readVersion(api, parsed.model, await resolveVersion(api, parsed));
  const of = found.version;
  await printObject(run.output, run.globals.format, {
    raw: found.raw,
    name: `${of.model}:${of.version}`,
    describe: async () => {
      const { renderFields, renderTable } = await import("../../output/table.ts");
      const { paint } = run.output;
      const head = renderFields(
        [
          ["Version", paint.strong(`${of.model}:${of.version}`)],
          ["State", versionStateText(of, paint)],
          ["Size", formatBytes(of.bytes)],
          [
            "Format",
            [
              of.format,
              ...(of.opset === null ? [] : [`opset ${of.opset}`]),
              ...(of.irVersion === null ? [] : [`IR ${of.irVersion}`]),
            ].join(", "),
          ],
          ["Producer", of.producer ?? ""],
          ["Engine", of.engine === null ? "" : `${of.engine.model}, for ${of.engine.kind}`],
          ["Embeddings", of.encoder === null ? "" : encoderLine(of.encoder)],
          ["Shared runs", sharedRuns(of)],
          ...of.variants.map((variant, at) => [at === 0 ? "Variants" : "", variantLine(variant)] as const),
          ["Notes", of.notes.join("\n")],
          ["Metrics", pairs(of.metrics)],
          ["Labels", pairs(of.labels)],
          ["Digest", of.digest],
          ...(of.files.length > 1 ? filesFields(of) : []),
          ["Artifact", of.artifact ?? ""],
          ["Signed", signedBy(of)],
          ["Uploaded", `${formatSince(of.createdAt, Date.now())} ago`],
        ],
        paint,
      );
      const tensors = [
        ...of.inputs.map((tensor) => ({ ...tensor, side: "input" })),
        ...of.outputs.map((tensor) => ({ ...tensor, side: "output" })),
      ];
      const signature = renderTable(
        tensors,
        [
          { header: "SIDE", value: (row) => row.side },
          { header: "NAME", value: (row) => row.name },
          { header: "DATATYPE", value: (row) => row.datatype },
          { header: "SHAPE", value: (row) => `[${row.shape.map((size) => (size === -1 ? "any" : size)).join(", ")}]` },
          ...(tensors.some(({ parameters }) => parameters)
            ? [{ header: "MORE", value: (row: (typeof tensors)[number]) => moreOf(row.parameters) }]
            : []),
        ],
        { wide: true, paint },
      );
      return tensors.length === 0 ? head : `${head}\n\n${signature}`;
    },
  });
}

/** Nodes that hold no keys of signers run what is unsigned too. */
function signedBy({ release, state }: ModelVersion): string {
  if (release === undefined) return state === "ready" ? "UNSIGNED" : "";
  const { publicKey, counter, floor } = release;
  const withdrawn = floor > 0 ? `, versions below ${floor} withdrawn` : "";
  return `by the key ${keyIdOf(publicKey)}, release ${counter}${withdrawn}`;
}

const MAX_CLASSES_SHOWN = 10;

function moreOf({ classes, optional }: NonNullable<ModelVersion["inputs"][number]["parameters"]> = {}): string {
  if (optional === true) return "may be left out";
  return classes === undefined ? "" : `classes ${formatClasses(classes)}`;
}

const formatClasses = (classes: readonly (string | number)[]): string =>
  [...classes.slice(0, MAX_CLASSES_SHOWN), ...(classes.length > MAX_CLASSES_SHOWN ? ["…"] : [])].join(", ");

/** Placements as rows, wherever they are listed. */
export const placementView: View<Placement> = {
  name: (row) => row.node,
  keyOf: (row) => row.id,
  columns: [
    { header: "NODE", value: (row) => row.node },
    { header: "KIND", value: (row) => row.kind },
    {
      header: "MODEL",
      value: (row) => `${row.model}:${row.version}${row.variant === null ? "" : ` (${row.variant})`}`,
    },
    { header: "STATE", value: placementStateText },
    { header: "SINCE", value: (row) => formatAge(row.stateAgeMs), isMeasured: true },
    { header: "DEPLOYMENT", value: (row) => row.deployment, wide: true },
    { header: "NODE IS", value: (row) => row.nodeState, wide: true },
    { header: "ID", value: (row) => row.id, wide: true },
    { header: "MAY USE", value: (row) => memoryText(row.limitMiB), align: "right", wide: true },
    { header: "HOST", value: (row) => hostText(row), wide: true },
    { header: "SHARED RUNS", value: (row) => sharingText(row.sharing), wide: true },
    { header: "WHY HERE", value: (row) => row.why },
  ],
};

const watchedPlacements = {
  schema: placement,
  selector: undefined,
  nameOf: ({ id }: Placement) => id,
  lasting: lastingPlacement,
  what: "placements",
} as const;

const memoryText = (limitMiB: number | null): string =>
  limitMiB === null ? "" : limitMiB === 0 ? "any" : `${limitMiB} MiB`;

/** Whether requests share runs of a placement, and the reason; empty while that is not known. */
export const sharingText = (sharing: Placement["sharing"]): string =>
  sharing === null ? "" : `${sharing.isShared ? "yes" : "no"}: ${sharing.reason}`;

function placementStateText(of: Placement, paint: Style): string {
  if (of.failure !== null) return paint.bad(`${of.state}: ${of.failure.code}`);
  const percent =
    of.state === "downloading" && of.progress !== null && of.progress.total > 0
      ? ` ${Math.floor((100 * of.progress.done) / of.progress.total)} %`
      : "";
  const removal = of.wanted === "gone" && of.state !== "gone" ? ", being removed" : "";
  const text = `${of.state}${percent}${removal}`;
  return of.state === "ready" && removal === "" ? paint.good(text) : text;
}

export async function whereVersion(
  run: CommandContext,
  reference: string,
  { watch }: { readonly watch?: boolean } = {},
): Promise<void> {
  const api = await run.api();
  const parsed = parseModelReference(reference);
  const version = await resolveVersion(api, parsed);
  const path = `${versionPath(parsed.model, version)}/placements`;
  const empty = `${parsed.model}:${version} is nowhere. Deploy it with \`skerry apply -f FILE\`.`;
  if (watch === true) return printChanges(run, api, { ...watchedPlacements, path }, { view: placementView, empty });
  const { raw, items } = await readList(api, path, placement);
  const { output, globals } = run;
  await printList({ output, format: globals.format, view: placementView, empty, raw, rows: items });
}
