import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { alias, createModel, model, moveAlias, patchModel } from "../../../../shared/api/v1/models.ts";
import { isInScope } from "../../../core/access/decide.ts";
import type { Catalog } from "../server/route-catalog.ts";
import { checkContent, contentEtag, ifMatchOrNewOf } from "../rest/etag.ts";
import { paginate } from "../rest/paginate.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { aliasParams, modelParams } from "./params.ts";

const TAG = "Models";

export function modelRoutes({ catalog }: { catalog: Catalog }): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/models",
      summary: "Create a model",
      tag: TAG,
      action: "models.write",
      body: createModel,
      answer: model,
      statuses: [201],
      async handle({ body, actor }) {
        const made = await catalog.createModel(body, actor);
        return { body: made, headers: { Location: `/api/v1/models/${made.name}`, ETag: contentEtag(made) } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/models",
      summary: "List models",
      tag: TAG,
      action: "models.read",
      query: listQuery,
      answer: listOf(model),
      statuses: [200],
      async handle({ query, caller }) {
        const visible = (await catalog.listModels()).filter(({ name }) => isInScope(caller, { kind: "model", name }));
        return {
          body: paginate(visible, query, {
            keyOf: ({ name }) => name,
            labelsOf: ({ labels, name }) => ({ ...labels, name }),
          }),
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/models/{model}",
      summary: "One model with its aliases",
      tag: TAG,
      action: "models.read",
      params: modelParams,
      answer: model,
      statuses: [200],
      async handle({ params }) {
        const found = await catalog.getModel(params.model);
        return { body: found, headers: { ETag: contentEtag(found) } };
      },
    }),
    defineRoute({
      method: "PATCH",
      path: "/api/v1/models/{model}",
      summary: "Replace a model's labels",
      tag: TAG,
      action: "models.write",
      params: modelParams,
      body: patchModel,
      answer: model,
      statuses: [200],
      async handle({ params, body, actor, header }) {
        checkContent({ header }, await catalog.getModel(params.model), `model ${params.model}`);
        const changed = await catalog.patchModel(params.model, body.labels, actor);
        return { body: changed, headers: { ETag: contentEtag(changed) } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/models/{model}",
      summary: "Delete a model with all its versions",
      tag: TAG,
      action: "models.delete",
      params: modelParams,
      statuses: [204],
      async handle({ params, actor, header }) {
        checkContent({ header }, await catalog.getModel(params.model), `model ${params.model}`);
        await catalog.deleteModel(params.model, actor);
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/api/v1/models/{model}/aliases/{alias}",
      summary:
        "Move an alias to a version (at most eight to a version); `If-Match` names the version it points at, `If-None-Match: *` says that it must be new",
      tag: TAG,
      action: "models.write",
      params: aliasParams,
      body: moveAlias,
      answer: alias,
      statuses: [200],
      async handle({ params, body, actor, header }) {
        const moved = await catalog.moveAlias(
          { ...params, version: body.version, ifMatch: ifMatchOrNewOf({ header }) },
          actor,
        );
        return { body: moved, headers: { ETag: `"${moved.version}"` } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/models/{model}/aliases/{alias}",
      summary: "Delete an alias; refused while a deployment asks for it",
      tag: TAG,
      action: "models.write",
      params: aliasParams,
      statuses: [204],
      async handle({ params, actor }) {
        await catalog.deleteAlias(params.model, params.alias, actor);
        return { status: 204, empty: true };
      },
    }),
  ];
}
