import { z } from "zod";
import type * as Rows from "../../../../prisma/generated/client.ts";
import { labelMap } from "../../../../shared/api/v1/common.ts";
import { versionState, type Model, type ModelVersion } from "../../../../shared/api/v1/models.ts";
import { pipelineFacts, rowProof, tensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import { versionRelease } from "../../../../shared/protocol/model-files/release.ts";
import { encoderModel } from "../../../../shared/text/encoder-model.ts";
import { engineModel } from "../../../../shared/text/engine-model.ts";
import { variantFacts } from "../../../../shared/protocol/model-files/variants.ts";
import { textModel } from "../../../../shared/text/text-model.ts";
import { bundleFile, runtime, type BundleFile } from "../../../../shared/protocol/model-files/bundle.ts";
import type { UploadRow } from "../../../ports/catalog/catalog.ts";

/** What a model is read with, for `toModel`. */
export const WITH_MODEL = {
  aliases: true,
  versions: {
    select: { version: true },
    where: { state: { not: "archived" } },
    orderBy: { version: "desc" },
    take: 1,
  },
} as const;

const signature = z.array(tensorSpec);
const metrics = z.record(z.string(), z.number());
const bundleFiles = z.array(bundleFile);

export function toModel(row: Rows.Model & { aliases: Rows.Alias[]; versions: { version: number }[] }): Model {
  return {
    name: row.name,
    labels: labelMap.parse(row.labels),
    aliases: Object.fromEntries(row.aliases.map(({ alias, version }) => [alias, version])),
    latestVersion: row.versions[0]?.version ?? null,
    createdAt: row.createdAt.toISOString(),
    ...(row.kubernetesNamespace !== null && { managedBy: "kubernetes" }),
  };
}

export function toModelVersion(row: Rows.ModelVersion): ModelVersion {
  const { modelName, version, reason, damage, sha256, artifactDigest, bytes, opset, irVersion, producer, createdAt } =
    row;
  return {
    model: modelName,
    version,
    state: versionState.parse(row.state),
    reason,
    damage,
    digest: `sha256:${sha256}`,
    artifact: artifactDigest,
    bytes: Number(bytes),
    format: row.runtime === "gguf" || row.runtime === "engine" ? row.runtime : "onnx",
    runtime: runtime.parse(row.runtime),
    main: row.main,
    files: filesOf(row),
    opset,
    irVersion,
    producer,
    inputs: signature.parse(row.inputs),
    outputs: signature.parse(row.outputs),
    rows: rowProof.nullable().parse(row.rows),
    notes: z.array(z.string()).parse(row.notes),
    text: textModel.nullable().parse(row.text),
    encoder: encoderModel.nullable().parse(row.encoder),
    engine: engineModel.nullable().parse(row.engine),
    pipeline: pipelineFacts.nullable().parse(row.pipeline),
    variants: z.array(variantFacts).parse(row.variants),
    ...(row.release !== null && { release: versionRelease.parse(row.release) }),
    labels: labelMap.parse(row.labels),
    metrics: metrics.parse(row.metrics),
    createdAt: createdAt.toISOString(),
  };
}

export function toUploadRow({ id, repair, of }: Rows.Upload & { of: Rows.ModelVersion }): UploadRow {
  const { modelName, version, main, state } = of;
  const files = repair === null ? filesOf(of) : bundleFiles.parse(repair);
  return {
    id,
    model: modelName,
    version,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    runtime: runtime.parse(of.runtime),
    main,
    files,
    state: repair === null ? versionState.parse(state) : "uploading",
    repairs: repair === null ? undefined : (of.artifactDigest ?? undefined),
  };
}

/** A version of one file has no list. */
function filesOf({ main, bytes, sha256, files }: Rows.ModelVersion): BundleFile[] {
  const list = bundleFiles.parse(files);
  return list.length > 0 ? list : [{ path: main, bytes: Number(bytes), sha256 }];
}
