import { describe, expect, it } from "@jest/globals";
import { buildRouteTable, modelsTouched, rebuildRoutes } from "../../../../../control-plane/core/routing/table.ts";
import { FleetState } from "../../../../../control-plane/core/fleet/fleet-state.ts";
import { reduce } from "../../../../../control-plane/core/fleet/reduce.ts";
import type { FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { aDeployment, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";

const MODELS = ["digits", "faces", "words"];
const STEPS = 300;

/** Rows of a small fleet, of which each part is there or not, ready or not, by chance. */
function someRows(random: { next(): number }): FleetRows {
  const chance = (): boolean => random.next() < 0.7;
  const nodes = ["edge-a", "edge-b", "edge-c"].map((name) => {
    const node = aNode(name);
    return { ...node, session: node.session && { ...node.session, isReady: chance() } };
  });
  const deployments = MODELS.filter(chance).map((name) =>
    aDeployment({ name, model: chance() ? name : "digits", version: 1, placement: { edge: { min: 1 } } }),
  );
  const versions = MODELS.flatMap((model) =>
    [1, 2].filter(chance).map((version) => aVersion(model, version, chance() ? {} : { state: "archived" })),
  );
  const placements = deployments.flatMap(({ name, spec }) =>
    nodes.filter(chance).map((node) =>
      aPlacement(node, {
        id: `p-${name}-${node.name}` as PlacementId,
        deployment: name,
        model: spec.model,
        version: chance() ? 1 : 2,
        state: chance() ? "ready" : "loading",
        generation: Math.floor(random.next() * 1_000),
      }),
    ),
  );
  const aliases = MODELS.filter(chance).map((model) => ({ model, alias: "live", version: chance() ? 1 : 2 }));
  return { nodes, deployments, versions, placements, aliases };
}

describe("routes that are built anew for the models that a change touches", () => {
  it("are the routes of the whole fleet", () => {
    const random = seededRandom(11);
    const state = new FleetState();
    let rows = someRows(random);
    reduce(state, { type: "rows-loaded", rows });
    let before = state.snapshot();
    let table = buildRouteTable(before);
    let spared = 0;
    for (let step = 0; step < STEPS; step += 1) {
      const others = someRows(random);
      const part = (["nodes", "deployments", "versions", "placements", "aliases"] as const)[step % 5] ?? "nodes";
      rows = { ...rows, [part]: others[part] };
      const change = reduce(state, { type: "rows-loaded", rows });
      const fleet = state.snapshot();
      const models = modelsTouched(before, fleet, change);
      table = rebuildRoutes(table, fleet, models);
      expect(table).toEqual(buildRouteTable(fleet));
      if (models.size < MODELS.length) spared += 1;
      before = fleet;
    }
    expect(spared).toBeGreaterThan(STEPS / 5);
  });
});
