import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { layoutTopology, nodeAt } from "../../../console/src/core/fleet/topology-layout.ts";

const anyFleet = fc
  .array(fc.integer({ min: 0, max: 12 }), { maxLength: 400 })
  .map((sites) => sites.map((site, at) => ({ name: `n-${at}`, site: `site-${site}` })));

describe("the map of the fleet", () => {
  it("shows every node inside its own site, and finds it where it is drawn", () => {
    fc.assert(
      fc.property(anyFleet, fc.integer({ min: 200, max: 2_000 }), (fleet, width) => {
        const topology = layoutTopology(fleet, width);
        const cells = topology.sites.flatMap((site) => site.cells.map((cell) => ({ site, cell })));
        expect(cells.map(({ cell }) => cell.item.name).toSorted()).toEqual(fleet.map(({ name }) => name).toSorted());
        for (const { site, cell } of cells) {
          expect(cell.item.site).toBe(site.name);
          expect(cell.x).toBeGreaterThanOrEqual(site.x);
          expect(cell.y + topology.cell.height).toBeLessThanOrEqual(site.y + site.height);
          expect(nodeAt(topology, cell.x + 1, cell.y + 1)?.item.name).toBe(cell.item.name);
          expect(site.x + site.width).toBeLessThanOrEqual(width);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("finds no node beside the sites", () => {
    expect(nodeAt(layoutTopology([{ name: "a", site: "s" }], 800), 5, 5)).toBeUndefined();
  });
});
