import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { FleetNode } from "../../../../../../control-plane/core/fleet/types.ts";
import { placesIn } from "../../../../../../control-plane/core/scheduling/candidates/node-places.ts";
import { aNode } from "../../../../../support/fleet/fleet-builder.ts";

const waiting = { until: 0, from: "10.0.0.7", publicKey: "k" };
const changes: readonly ((node: FleetNode) => Partial<FleetNode>)[] = [
  ({ zone }) => ({ zone: zone === "z0" ? "z1" : "z0" }),
  ({ kind }) => ({ kind: kind === "edge" ? "cloud" : "edge" }),
  ({ name }) => ({ name: name.startsWith("z") ? name.slice(1) : `z${name}` }),
  (node) => ({ waiting: node.waiting ? undefined : waiting }),
  ({ id }) => ({ id: `${id}'` as FleetNode["id"] }),
];
const [a, b, c] = [aNode("a", { zone: "z0" }), aNode("b", { zone: "z1" }), aNode("c", { zone: "z1" })];
const mapOf = (nodes: readonly FleetNode[]) => new Map(nodes.map((node) => [node.id as string, node]));

describe("the places of nodes", () => {
  it("are those that are made without the places before, whatever happened to nodes", () => {
    const anyNodes = fc.array(
      fc.tuple(fc.constantFrom(a, b, c), fc.subarray([...changes])).map(([node, made]) => ({
        ...made.reduce((each, change) => ({ ...each, ...change(each) }), node),
      })),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(anyNodes, anyNodes, (before, nodes) => {
        expect(placesIn(mapOf(nodes), placesIn(mapOf(before)))).toEqual(placesIn(mapOf(nodes)));
      }),
    );
    for (const change of changes) {
      const changed = mapOf([a, { ...b, ...change(b) }, c]);
      expect(placesIn(changed, placesIn(mapOf([a, b, c])))).toEqual(placesIn(changed));
    }
  });

  it("are kept while nodes report, are cordoned and labelled, and come in another order", () => {
    const before = placesIn(mapOf([a, b, c]));
    const busy = { ...a, load: undefined, cordoned: true, labels: { gpu: "true" } };
    expect(placesIn(mapOf([c, busy, b]), before)).toBe(before);
  });
});
