import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { createdJoinToken, createJoinToken, joinToken, replaceNode } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import {
  joinRequest,
  joinResponse,
  type JoinRequest,
  type JoinResponse,
  podJoinRequest,
  type PodJoinRequest,
} from "../../../../shared/protocol/join-messages.ts";
import type { TokenAdmin } from "../../../app/nodes/token-admin.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import type { Requester } from "../../../ports/access/audit.ts";
import type { Limits } from "../server/limits.ts";
import { paginate } from "../rest/paginate.ts";
import { definePublicRoute, defineRoute, type Route } from "../server/route.ts";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";
import { idParams, nodeParams } from "./params.ts";

const TAG = "Enrolment";

export interface JoinParts {
  readonly tokens: TokenAdmin;
  /** Throws `JOIN_REFUSED`, `NAME_TAKEN`. */
  readonly join: (request: JoinRequest, from: Requester) => Promise<JoinResponse>;
  /** Throws `JOIN_REFUSED`, `NAME_TAKEN`, `CLUSTER_UNAVAILABLE`. */
  readonly joinPod: (request: PodJoinRequest, from: Requester) => Promise<JoinResponse>;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Pick<Metrics, "limitReached">;
}

export function joinRoutes({ tokens, join, joinPod, clock, limits, metrics }: JoinParts): Route[] {
  const failures = new TokenBuckets(limits.failuresPerAddress, clock);
  /** Refuses an address that was refused too often, before anything is looked up for it. */
  const limited = async (address: string, joined: () => Promise<JoinResponse>): Promise<{ body: JoinResponse }> => {
    if (!failures.hasToken(address)) {
      metrics.limitReached("failures");
      throw new SkerryError("RATE_LIMITED", "too many refused joins came from this address", {
        retryAfterMs: failures.waitMs(address),
      });
    }
    try {
      return { body: await joined() };
    } catch (error) {
      if (isSkerryError(error) && error.code === "JOIN_REFUSED") failures.take(address);
      throw error;
    }
  };
  return [
    definePublicRoute({
      method: "POST",
      path: "/api/v1/join",
      summary: "Become a node, with a join token and a proof of the node's key",
      tag: TAG,
      body: joinRequest,
      answer: joinResponse,
      statuses: [201],
      handle: ({ body, address, requestId }) => limited(address, () => join(body, { address, requestId })),
    }),
    definePublicRoute({
      method: "POST",
      path: "/api/v1/join/pod",
      summary: "Become a cloud node, with the projected service-account token of a Kubernetes pod",
      tag: TAG,
      body: podJoinRequest,
      answer: joinResponse,
      statuses: [201],
      handle: ({ body, address, requestId }) => limited(address, () => joinPod(body, { address, requestId })),
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/join-tokens",
      summary: "Make a join token; it is shown this once",
      tag: TAG,
      action: "join-tokens.write",
      body: createJoinToken,
      answer: createdJoinToken,
      statuses: [201],
      answersSecret: true,
      async handle({ body, actor }) {
        return { body: await tokens.create(body, actor) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/nodes/{node}/replace",
      summary: "Make a token for the machine that takes the place of a node; it is shown this once",
      tag: TAG,
      action: "nodes.replace",
      params: nodeParams,
      body: replaceNode,
      answer: createdJoinToken,
      statuses: [201],
      answersSecret: true,
      async handle({ params, body, actor }) {
        return { body: await tokens.replace(params.node, body, actor) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/join-tokens",
      summary: "List join tokens, without their secrets",
      tag: TAG,
      action: "fleet.read",
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
      action: "join-tokens.write",
      params: idParams,
      statuses: [204],
      async handle({ params, actor }) {
        await tokens.delete(params.id, actor);
        return { status: 204, empty: true };
      },
    }),
  ];
}
