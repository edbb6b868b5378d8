import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { apiKey, createApiKey, createdApiKey, rotateApiKey, whoami } from "../../../../shared/api/v1/access/keys.ts";
import type { ApiKeys } from "../../../app/access/api-keys.ts";
import { paginate } from "../rest/paginate.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { idParams } from "./params.ts";
import { whoamiOf } from "./whoami.ts";

const TAG = "Keys";

export function keyRoutes({ keys }: { keys: ApiKeys }): Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/api/v1/api-keys",
      summary: "Make an API key; it is shown this once",
      tag: TAG,
      action: "keys.write",
      body: createApiKey,
      answer: createdApiKey,
      statuses: [201],
      answersSecret: true,
      async handle({ body, actor }) {
        return { body: await keys.create(body, actor) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/api-keys/{id}/rotate",
      summary:
        "Make a key with the name and the rights of another one, which stays good for the overlap; it is shown this once",
      tag: TAG,
      action: "keys.write",
      params: idParams,
      body: rotateApiKey,
      answer: createdApiKey,
      statuses: [201],
      answersSecret: true,
      async handle({ params, body, actor }) {
        return { body: await keys.rotate(params.id, body, actor) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/api-keys",
      summary: "List API keys, without their secrets",
      tag: TAG,
      action: "keys.read",
      query: listQuery,
      answer: listOf(apiKey),
      statuses: [200],
      async handle({ query }) {
        const labelsOf = ({ name, role }: { name: string; role: string }) => ({ name, role });
        return { body: paginate(await keys.list(), query, { keyOf: ({ name, id }) => `${name} ${id}`, labelsOf }) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/api-keys/{id}",
      summary: "Revoke an API key",
      tag: TAG,
      action: "keys.write",
      params: idParams,
      statuses: [204],
      async handle({ params, actor }) {
        await keys.revoke(params.id, actor);
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/whoami",
      summary: "Whose key this is and what it may do",
      tag: TAG,
      action: "self.read",
      answer: whoami,
      statuses: [200],
      async handle({ caller }) {
        return { body: whoamiOf(caller) };
      },
    }),
  ];
}
