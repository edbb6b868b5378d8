import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { placement } from "../../../../shared/api/v1/deployments.ts";
import { declaredVersion, declareVersion, modelVersion, versionDiff } from "../../../../shared/api/v1/models.ts";
import type { DeploymentAdmin } from "../../../app/deployments/deployment-admin.ts";
import { placementLabels } from "../../../app/deployments/placement-dto.ts";
import { versionDiff as diffOf } from "../../../app/catalog/version-diff.ts";
import type { Catalog } from "../server/route-catalog.ts";
import { numberKey, paginate } from "../rest/paginate.ts";
import { defineRoute, EVERY_ROLE, OPERATORS, READERS, type Route } from "../server/route.ts";
import { refuseOutsideScope } from "./models.ts";
import { diffParams, modelParams, versionParams } from "./params.ts";

const TAG = "Versions";
const PATH = "/api/v1/models/{model}/versions";

export function versionRoutes({
  catalog,
  deployments,
}: {
  catalog: Catalog;
  deployments: Pick<DeploymentAdmin, "placementsOfVersion">;
}): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: PATH,
      summary: "Declare a version; its bytes go to `uploadUrl`",
      tag: TAG,
      access: OPERATORS,
      params: modelParams,
      body: declareVersion,
      answer: declaredVersion,
      statuses: [201],
      async handle({ params, body, actor }) {
        const declared = await catalog.declareVersion(params.model, body, actor);
        return {
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
      access: EVERY_ROLE,
      params: modelParams,
      query: listQuery,
      answer: listOf(modelVersion),
      statuses: [200],
      async handle({ params, query, caller }) {
        refuseOutsideScope(caller, params.model);
        const versions = await catalog.listVersions(params.model);
        const labelsOf = (version: (typeof versions)[number]) => ({ ...version.labels, state: version.state });
        return { body: paginate(versions, query, { keyOf: ({ version }) => numberKey(version), labelsOf }) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}`,
      summary: "One version: signature, size, digest, state",
      tag: TAG,
      access: EVERY_ROLE,
      params: versionParams,
      answer: modelVersion,
      statuses: [200],
      async handle({ params, caller }) {
        refuseOutsideScope(caller, params.model);
        return { body: await catalog.getVersion(params.model, params.version) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/artifact`,
      summary: "Download a version's file",
      tag: TAG,
      access: READERS,
      params: versionParams,
      streams: ["application/octet-stream"],
      statuses: [200],
      async handle({ params }) {
        const { version, bytes } = await catalog.artifact(params.model, params.version);
        const headers = {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(version.bytes),
          "Content-Disposition": `attachment; filename="${params.model}-${params.version}.onnx"`,
          ETag: `"${version.digest}"`,
        };
        return { stream: bytes, headers };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/placements`,
      summary: "Where a version runs, and how far each placement is",
      tag: TAG,
      access: EVERY_ROLE,
      params: versionParams,
      query: listQuery,
      answer: listOf(placement),
      statuses: [200],
      async handle({ params, query, caller }) {
        refuseOutsideScope(caller, params.model);
        await catalog.getVersion(params.model, params.version);
        const placements = deployments.placementsOfVersion(params.model, params.version);
        return {
          body: paginate(placements, query, { keyOf: ({ node, id }) => `${node} ${id}`, labelsOf: placementLabels }),
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/{version}/diff/{other}`,
      summary: "What a caller of one version meets in another",
      tag: TAG,
      access: EVERY_ROLE,
      params: diffParams,
      answer: versionDiff,
      statuses: [200],
      async handle({ params, caller }) {
        refuseOutsideScope(caller, params.model);
        const [from, to] = await Promise.all([
          catalog.getVersion(params.model, params.version),
          catalog.getVersion(params.model, params.other),
        ]);
        return { body: diffOf(from, to) };
      },
    }),
  ];
}
