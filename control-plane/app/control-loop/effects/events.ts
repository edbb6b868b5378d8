import type { EventSteps } from "../../../core/reconcile/steps.ts";
import type { EventStore } from "../../../ports/journal.ts";
import type { EffectTable } from "./effect-table.ts";

/** Records events that change nothing else, so no lease has to be held. */
export const eventEffects = (store: Pick<EventStore, "append">): EffectTable<keyof EventSteps> => ({
  event: async ({ type, reason, object, message }) => {
    await store.append([{ type, reason, object, message }]);
    return "committed";
  },
});
