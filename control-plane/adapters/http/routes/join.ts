import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { createdJoinToken, createJoinToken, joinToken } from "../../../../shared/api/v1/nodes.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import {
  joinRequest,
  joinResponse,
  type JoinRequest,
  type JoinResponse,
} from "../../../../shared/protocol/messages.ts";
import type { TokenAdmin } from "../../../app/nodes/token-admin.ts";
import type { Limits } from "../server/limits.ts";
import { paginate } from "../rest/paginate.ts";
import { definePublicRoute, defineRoute, OPERATORS, READERS, type Route } from "../server/route.ts";
import { TokenBuckets } from "../auth/token-buckets.ts";
import { idParams } from "./params.ts";

const TAG = "Enrolment";

export interface JoinParts {
  readonly tokens: TokenAdmin;
  /** Throws `JOIN_REFUSED`, `NAME_TAKEN`. */
  readonly join: (request: JoinRequest, address: string) => Promise<JoinResponse>;
  readonly clock: Clock;
  readonly limits: Limits;
}

export function joinRoutes({ tokens, join, clock, limits }: JoinParts): Route[] {
  const failures = new TokenBuckets(limits.failuresPerAddress, clock);
  return [
    definePublicRoute({
      method: "POST",
      path: "/api/v1/join",
      summary: "Become a node, with a join token and a proof of the node's key",
      tag: TAG,
      body: joinRequest,
      answer: joinResponse,
      statuses: [201],
      async handle({ body, address }) {
        if (!failures.hasToken(address)) {
          throw new SkerryError("RATE_LIMITED", "too many refused joins came from this address", {
            retryAfterMs: failures.waitMs(address),
          });
        }
        try {
          return { body: await join(body, address) };
        } catch (error) {
          if (isSkerryError(error) && error.code === "JOIN_REFUSED") failures.take(address);
          throw error;
        }
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/join-tokens",
      summary: "Make a join token; it is shown this once",
      tag: TAG,
      access: OPERATORS,
      body: createJoinToken,
      answer: createdJoinToken,
      statuses: [201],
      answersSecret: true,
      async handle({ body, actor }) {
        return { body: await tokens.create(body, actor) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/join-tokens",
      summary: "List join tokens, without their secrets",
      tag: TAG,
      access: READERS,
      query: listQuery,
      answer: listOf(joinToken),
      statuses: [200],
      async handle({ query }) {
        const labelsOf = ({ kind, site, zone }: { kind: string; site: string; zone: string }) => ({ kind, site, zone });
        return {
          body: paginate(await tokens.list(), query, { keyOf: ({ createdAt, id }) => `${createdAt} ${id}`, labelsOf }),
        };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/join-tokens/{id}",
      summary: "Delete a join token",
      tag: TAG,
      access: OPERATORS,
      params: idParams,
      statuses: [204],
      async handle({ params, actor }) {
        await tokens.delete(params.id, actor);
        return { status: 204, empty: true };
      },
    }),
  ];
}
