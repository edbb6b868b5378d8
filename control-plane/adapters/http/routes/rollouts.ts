import { listOf, pageQuery, watchQuery } from "../../../../shared/api/v1/common.ts";
import {
  rollout,
  rolloutAction,
  rolloutActionBody,
  type RolloutAction,
} from "../../../../shared/api/v1/rollouts/rollouts.ts";
import type { FleetWatches } from "../../../app/fleet/fleet-watches.ts";
import type { RolloutAdmin } from "../../../app/rollouts/rollout-admin.ts";
import { paginate } from "../rest/paginate.ts";
import { streamOfChanges } from "../rest/watchable-list.ts";
import { STREAM_TYPE } from "../server/event-stream.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { deploymentParams } from "./params.ts";

const TAG = "Rollouts";
const PATH = "/api/v1/deployments/{deployment}/rollout";

const SUMMARIES: Readonly<Record<RolloutAction, string>> = {
  pause: "Let a rollout stay as it is until it is resumed",
  resume: "Let a paused rollout go on, or try a version again from which one has returned",
  approve: "Approve that a rollout begins, or that its new version takes over, where it waits for that",
  promote: "End a rollout with its new version, without the rest of its waves",
  abort: "End a rollout with its old version: all requests return in one step",
  undo: "Return to the version before, of a rollout that is under way or was promoted",
};

interface RolloutParts {
  readonly rollouts: RolloutAdmin;
  readonly watches: Pick<FleetWatches, "rollouts">;
}

export function rolloutRoutes({ rollouts, watches }: RolloutParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: PATH,
      summary:
        "The newest rollout of a deployment: its phase, waves, nodes and why; with `watch`, each change, also to a newer one",
      tag: TAG,
      action: "deployments.read",
      params: deploymentParams,
      query: watchQuery,
      answer: rollout,
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { deployment: of } = request.params;
        // For a stream too: it throws where there is none.
        const body = rollouts.get(of);
        if (request.query.watch === "false") return { body };
        return streamOfChanges(watches.rollouts, request, ({ deployment }) => deployment === of);
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/history`,
      summary: "The rollouts of a deployment, newest first, the last 50",
      tag: TAG,
      action: "deployments.read",
      params: deploymentParams,
      query: pageQuery,
      answer: listOf(rollout),
      statuses: [200],
      async handle({ params, query }) {
        const items = await rollouts.history(params.deployment);
        // Newest first: keys that fall.
        const keyOf = ({ number }: { number: number }): string => String(1_000_000_000 - number);
        return { body: paginate(items, { ...query, labelSelector: undefined }, { keyOf, labelsOf: () => ({}) }) };
      },
    }),
    ...rolloutAction.options.map((action) =>
      defineRoute({
        method: "POST",
        path: `${PATH}/${action}`,
        summary: SUMMARIES[action],
        tag: TAG,
        action: "rollouts.write",
        params: deploymentParams,
        body: rolloutActionBody,
        answer: rollout,
        statuses: [200],
        async handle({ params, body, actor }) {
          return { body: await rollouts.act(params.deployment, { action, ...body }, actor) };
        },
      }),
    ),
  ];
}
