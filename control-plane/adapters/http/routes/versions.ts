import { z } from "zod";
import { listOf, listQuery, watchableListQuery } from "../../../../shared/api/v1/common.ts";
import { type Placement, placement } from "../../../../shared/api/v1/deployments/placements.ts";
import {
  declaredVersion,
  declareVersion,
  modelVersion,
  toBundle,
  unfinishedUpload,
  versionDiff,
} from "../../../../shared/api/v1/models.ts";
import { versionRelease } from "../../../../shared/protocol/model-files/release.ts";
import { variantName } from "../../../../shared/protocol/model-files/variants.ts";
import { MAX_PATH_CHARACTERS } from "../../../../shared/protocol/model-files/bundle.ts";
import type { DeploymentAdmin } from "../../../app/deployments/deployment-admin.ts";
import type { FleetWatches } from "../../../app/fleet/fleet-watches.ts";
import { versionDiff as diffOf } from "../../../app/catalog/version-diff.ts";
import { isInScope } from "../../../core/access/decide.ts";
import type { Catalog } from "../server/route-catalog.ts";
import { numberKey, paginate } from "../rest/paginate.ts";
import { placementList } from "../rest/placement-list.ts";
import { STREAM_TYPE } from "../server/event-stream.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { diffParams, modelParams, versionParams } from "./params.ts";

const TAG = "Versions";
const PATH = "/api/v1/models/{model}/versions";

const fileQuery = z.strictObject({ file: z.string().max(MAX_PATH_CHARACTERS).optional() });

/** Bytes that are hashed: `shared/protocol/model-files/manifest.ts` says what is in them. */
const anObject = z.looseObject({});

const manifestQuery = z.strictObject({
  variant: variantName.optional().describe("The manifest of this variant. Default: of the reference."),
});

const signQuery = z.strictObject({
  force: z
    .enum(["true", "false"])
    .default("false")
    .describe("`true`: also when nodes that run the version do not hold the key, and so stop it."),
});

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export function versionRoutes({
  catalog,
  deployments,
  watches,
}: {
  catalog: Catalog;
  deployments: Pick<DeploymentAdmin, "placementsOfVersion">;
  watches: Pick<FleetWatches, "placements">;
}): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: PATH,
      summary:
        "Declare a version, one file or a bundle of several; the bytes of each go to its `uploadUrl`. 200: a published version with the same files has lost its bytes, and they repair it",
      tag: TAG,
      action: "models.write",
      params: modelParams,
      body: declareVersion,
      answer: declaredVersion,
      statuses: [201, 200],
      async handle({ params, body, actor }) {
        const { labels, metrics } = body;
        const declared = await catalog.uploads.declare(params.model, { ...toBundle(body), labels, metrics }, actor);
        return {
          status: declared.version.state === "ready" ? 200 : 201,
          body: declared,
          headers: { Location: `/api/v1/models/${params.model}/versions/${declared.version.version}` },
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: PATH,
      summary: "List the versions of a model",
      tag: TAG,
      action: "models.read",
      params: modelParams,
      query: listQuery,
      answer: listOf(modelVersion),
      statuses: [200],
      async handle({ params, query }) {
        const versions = await catalog.listVersions(params.model);
        const labelsOf = (version: (typeof versions)[number]) => ({ ...version.labels, state: version.state });
        return { body: paginate(versions, query, { keyOf: ({ version }) => numberKey(version), labelsOf }) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}`,
      summary: "One version: signature, files, digest, state",
      tag: TAG,
      action: "models.read",
      params: versionParams,
      answer: modelVersion,
      statuses: [200],
      async handle({ params }) {
        return { body: await catalog.getVersion(params.model, params.version) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${PATH}/{version}`,
      summary: "Delete a version and its files; refused while an alias, a deployment or a placement needs it",
      tag: TAG,
      action: "models.delete",
      params: versionParams,
      statuses: [204],
      async handle({ params, actor }) {
        await catalog.deleteVersion(params.model, params.version, actor);
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/upload`,
      summary:
        "The upload of a version that is `uploading` or is being repaired: where each file goes and how far it got",
      tag: TAG,
      action: "models.write",
      params: versionParams,
      answer: unfinishedUpload,
      statuses: [200],
      async handle({ params }) {
        return { body: await catalog.uploads.unfinished(params.model, params.version) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/artifact`,
      summary: "Download a version's file; of several, the one whose path is `file`",
      tag: TAG,
      action: "artifacts.read",
      params: versionParams,
      query: fileQuery,
      streams: ["application/octet-stream"],
      statuses: [200],
      async handle({ params, query }) {
        const { version, file, bytes } = await catalog.artifact(params.model, params.version, query.file);
        const isOnly = version.files.length === 1;
        const name = isOnly
          ? `${params.model}-${params.version}.onnx`
          : file.path.slice(file.path.lastIndexOf("/") + 1);
        const headers = {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(file.bytes),
          "Content-Disposition": `attachment; filename="${name}"`,
          ETag: `"sha256:${file.sha256}"`,
        };
        return { stream: bytes, headers };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/manifest`,
      summary: "The manifest of a version that is ready: the canonical JSON whose SHA-256 is its `artifact`",
      tag: TAG,
      action: "models.read",
      params: versionParams,
      query: manifestQuery,
      streams: ["application/json"],
      jsonForm: { answer: anObject },
      statuses: [200],
      async handle({ params, query }) {
        const text = await catalog.releases.manifest(params.model, params.version, query.variant);
        const bytes = new TextEncoder().encode(text);
        const headers = { "Content-Type": "application/json", "Content-Length": String(bytes.byteLength) };
        return { stream: oneOf(bytes), headers };
      },
    }),
    defineRoute({
      method: "PUT",
      path: `${PATH}/{version}/release`,
      summary: "Keep what the signer of a version says of it: nodes that hold the key take no other versions",
      tag: TAG,
      action: "models.write",
      params: versionParams,
      query: signQuery,
      body: versionRelease,
      answer: modelVersion,
      statuses: [200],
      async handle({ params, query, body, actor }) {
        const how = { actor, isForced: query.force === "true" };
        return { body: await catalog.releases.sign(params.model, params.version, body, how) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/placements`,
      summary: "Where a version runs, and how far each placement is; with `watch`, what changes of them",
      tag: TAG,
      action: "models.read",
      params: versionParams,
      query: watchableListQuery,
      answer: listOf(placement),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { params, caller } = request;
        const { model, version } = params;
        await catalog.getVersion(model, version);
        // A key for one deployment of a model does not show where another one runs.
        const isVisible = (each: Placement): boolean =>
          each.model === model &&
          each.version === version &&
          isInScope(caller, { kind: "deployment", name: each.deployment ?? "", model });
        const placements = deployments.placementsOfVersion(model, version);
        return placementList(placements, watches.placements).answer(request, isVisible);
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/diff/{other}`,
      summary: "What a caller of one version meets in another",
      tag: TAG,
      action: "models.read",
      params: diffParams,
      answer: versionDiff,
      statuses: [200],
      async handle({ params }) {
        const [from, to] = await Promise.all([
          catalog.getVersion(params.model, params.version),
          catalog.getVersion(params.model, params.other),
        ]);
        return { body: diffOf(from, to) };
      },
    }),
  ];
}
