import { z } from "zod";
import {
  changeRequest,
  indexRequest,
  modelConfig,
  modelMetadata,
  modelNames,
  modelReady,
  modelStatistics,
  repositoryIndex,
  serverLive,
  serverMetadata,
  serverReady,
} from "../../../../shared/api/v1/inference.ts";
import { objectName } from "../../../../shared/api/v1/common.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import {
  modelConfig as configDocument,
  modelReadiness,
  serverMetadata as serverDocument,
  serverReadiness,
} from "../../../../shared/inference/http/documents.ts";
import type { InferenceStatistics } from "../../../../shared/inference/statistics.ts";
import { inferRequestForm, inferResponseForm } from "../../../../shared/inference/http/json-form.ts";
import { BYTES_TYPE, JSON_TYPE, parseTimeout } from "../../../../shared/inference/http/request-headers.ts";
import { DEFAULT_DEADLINE_MS } from "../../../../shared/protocol/limits.ts";
import { isInScope } from "../../../core/access/decide.ts";
import type { ModelRepositoryApi } from "../../../app/catalog/model-repository-api.ts";
import type { ModelStatusQuery } from "../../../app/inference/model-status-query.ts";
import { definePublicRoute, defineRoute, unknownModel, type Route } from "../server/route.ts";

const TAG = "Open Inference Protocol";

export interface ProtocolParts {
  readonly serving: ModelStatusQuery;
  readonly repository: ModelRepositoryApi;
  readonly statistics: InferenceStatistics;
  /** Of this program. */
  readonly version: string;
  /** Whether this process takes requests: fleet loaded, not draining. */
  readonly isReady: () => boolean;
}

/** Under `/v2` nobody minds a field or a parameter that we do not know. */
const anything = z.object({});
/** Any text: what cannot be a name is answered like a name that nobody has. */
const segment = z.string().meta({ pattern: "^[a-z0-9][a-z0-9._-]{0,62}$" });
const modelParams = z.strictObject({ model: segment });
/** A number or an alias. */
const versionParams = modelParams.extend({ version: segment });

/** Metadata and health of the Open Inference Protocol; inference itself is answered ahead of Express. */
export function protocolRoutes(parts: ProtocolParts): Route[] {
  return [
    ...serverRoutes(parts),
    ...repositoryRoutes(parts),
    ...["", "/versions/{version}"].flatMap((suffix) => modelRoutes(suffix, parts)),
  ];
}

function serverRoutes({ serving, version, isReady }: ProtocolParts): Route[] {
  return [
    definePublicRoute({
      method: "GET",
      path: "/v2",
      summary: "Server metadata",
      tag: TAG,
      query: anything,
      answer: serverMetadata,
      statuses: [200],
      async handle() {
        return { body: serverDocument(version, { hasRepository: true }) };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/v2/health/live",
      summary: "The process answers",
      tag: TAG,
      query: anything,
      answer: serverLive,
      statuses: [200],
      async handle() {
        return { body: { live: true } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/v2/health/ready",
      summary: "Requests are taken, and every deployment that wants a replica has a ready one",
      tag: TAG,
      query: anything,
      answer: serverReady,
      statuses: [200, 503],
      async handle() {
        return serverReadiness(isReady() && serving.isEveryDeploymentReady());
      },
    }),
  ];
}

function repositoryRoutes({ serving, repository }: ProtocolParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v2/models",
      summary: "Names of the models",
      tag: TAG,
      action: "models.read",
      query: anything,
      answer: modelNames,
      statuses: [200],
      async handle({ caller }) {
        return { body: { models: serving.models().filter((name) => isInScope(caller, { kind: "model", name })) } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v2/repository/index",
      summary: "Every version and whether it serves",
      tag: TAG,
      action: "models.read",
      query: anything,
      body: indexRequest,
      answer: repositoryIndex,
      statuses: [200],
      async handle({ body, caller }) {
        const entries = serving
          .index()
          .filter(
            ({ name, state }) => isInScope(caller, { kind: "model", name }) && (!body.ready || state === "READY"),
          );
        return { body: entries };
      },
    }),
    ...(["load", "unload"] as const).map((verb) =>
      defineRoute({
        method: "POST",
        path: `/v2/repository/models/{model}/${verb}`,
        summary:
          verb === "load"
            ? "Ask for one replica of a model, and wait until it is ready"
            : "Ask for no replica of a model, and wait until its placements have drained",
        tag: TAG,
        action: "deployments.write",
        params: modelParams,
        query: anything,
        body: changeRequest,
        statuses: [200],
        async handle({ params: { model }, body, actor, header, signal }) {
          refuseNoName(model);
          refuseContents(body.parameters, model);
          const timeoutMs = parseTimeout({ "skerry-timeout-ms": header("skerry-timeout-ms") }) ?? DEFAULT_DEADLINE_MS;
          await repository[verb](model, { actor, timeoutMs, signal });
          return { status: 200, empty: true };
        },
      }),
    ),
  ];
}

/** The same routes with and without a version in the path. */
function modelRoutes(suffix: string, { serving, statistics }: ProtocolParts): Route[] {
  const path = `/v2/models/{model}${suffix}`;
  const params = suffix === "" ? modelParams.extend({ version: z.undefined().optional() }) : versionParams;
  return [
    defineRoute({
      method: "GET",
      path,
      summary: "Inputs, outputs and versions of a model",
      tag: TAG,
      action: "models.read",
      params,
      query: anything,
      answer: modelMetadata,
      statuses: [200],
      async handle({ params: { model, version } }) {
        refuseNoName(model);
        return { body: serving.metadata({ model, version }) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/config`,
      summary: "Inputs and outputs of a model in the form of Triton's configuration",
      tag: TAG,
      action: "models.read",
      params,
      query: anything,
      answer: modelConfig,
      statuses: [200],
      async handle({ params: { model, version } }) {
        refuseNoName(model);
        return { body: configDocument(serving.metadata({ model, version })) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/stats`,
      summary: "What this process answered for a model since it started",
      tag: TAG,
      action: "models.read",
      params,
      query: anything,
      answer: modelStatistics,
      statuses: [200],
      async handle({ params: { model, version } }) {
        refuseNoName(model);
        const versions = serving.versions({ model, version });
        return { body: { model_stats: versions.map((each) => statistics.of(model, each)) } };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/ready`,
      summary: "Whether a ready placement takes requests",
      tag: TAG,
      action: "models.read",
      params,
      query: anything,
      answer: modelReady,
      statuses: [200, 503],
      async handle({ params: { model, version } }) {
        refuseNoName(model);
        return modelReadiness(model, serving.isModelReady({ model, version }));
      },
    }),
    defineRoute({
      method: "POST",
      path: `${path}/infer`,
      summary: "Inference: JSON, or JSON and binary tensors",
      tag: TAG,
      action: "models.invoke",
      params,
      query: anything,
      takesBytes: true,
      streams: [JSON_TYPE, BYTES_TYPE],
      jsonForm: { body: inferRequestForm, answer: inferResponseForm },
      statuses: [200],
      async handle() {
        throw new Error("inference is answered ahead of Express");
      },
    }),
    defineRoute({
      method: "POST",
      path: `${path}:explain`,
      summary:
        "Inference with an explanation, by the version's default method or by the one that `skerry_explain` names",
      tag: TAG,
      action: "models.invoke",
      params,
      query: anything,
      takesBytes: true,
      streams: [JSON_TYPE, BYTES_TYPE],
      jsonForm: { body: inferRequestForm, answer: inferResponseForm },
      statuses: [200],
      async handle() {
        throw new Error("an explanation is answered ahead of Express");
      },
    }),
  ];
}

/** Throws `NOT_FOUND` for what cannot be the name of a model. */
function refuseNoName(model: string): void {
  if (!objectName.safeParse(model).success) throw unknownModel(model);
}

/** A load may bring a model along in Triton. Here bytes come in through the admin API alone, where they are checked. */
export function refuseContents(parameters: Readonly<Record<string, unknown>>, model: string): void {
  const name = Object.keys(parameters).find((key) => key === "config" || key.startsWith("file:"));
  if (name === undefined) return;
  throw new SkerryError(
    "NOT_SERVED",
    `the parameter ${name.slice(0, 80)} is not served: publish a version with POST /api/v1/models/${model}/versions`,
  );
}
