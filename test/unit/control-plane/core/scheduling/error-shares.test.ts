import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { errorsAfter } from "../../../../../control-plane/core/fleet/versions/version-errors.ts";
import type { VersionErrors } from "../../../../../control-plane/core/fleet/types.ts";
import { errorSharesOf } from "../../../../../control-plane/core/scheduling/error-shares.ts";
import { aFleet, aNode, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { aLoad } from "../../../../support/fleet/scheduling-fixture.ts";

const counted = (model: string, requests: number, errors: number, ageMs = 0): VersionErrors => ({
  model,
  version: 1,
  requests,
  errors,
  at: NOW - ageMs,
  erredAt: errors === 0 ? undefined : NOW - ageMs,
});

/** Nodes `a`, `b`, … with what each counted. */
const fleetOf = (...nodes: readonly (readonly VersionErrors[])[]) =>
  aFleet({
    nodes: nodes.map((errors, at) => aNode("abcdef".charAt(at), { load: aLoad({ errors }) })),
  });

/** In percent, by the name of the node: of the node, and of `m:1` there. */
function sharesOf(...nodes: readonly (readonly VersionErrors[])[]) {
  const { ofNode, ofVersion } = errorSharesOf(fleetOf(...nodes), NOW);
  const percent = (share: number) => Math.round(100 * share);
  return Object.fromEntries(
    [...new Set([...ofNode.keys(), ...(ofVersion.get("m:1")?.keys() ?? [])])]
      .toSorted()
      .map((id) => [id.slice(2), [percent(ofNode.get(id) ?? 0), percent(ofVersion.get("m:1")?.get(id) ?? 0)]]),
  );
}

describe("shares of requests that fail on a node", () => {
  it.each([
    ["no request came", [[], []], {}],
    ["no request fails", [[counted("m", 90, 0)], [counted("m", 90, 0)]], {}],
    ["one node fails half", [[counted("m", 90, 45)], [counted("m", 90, 0)]], { a: [45, 45] }],
    ["all nodes fail half: the version does", [[counted("m", 90, 45)], [counted("m", 90, 45)]], {}],
    ["one fails somewhat more than others, as by chance", [[counted("m", 90, 9)], [counted("m", 90, 5)]], {}],
    ["only one node serves the version", [[counted("m", 90, 45)], []], { a: [0, 45] }],
    ["the others have too few requests to tell", [[counted("m", 90, 45)], [counted("m", 5, 0)]], { a: [0, 45] }],
    ["there was one request in all", [[counted("m", 1, 1)], [counted("m", 90, 0)]], { a: [9, 9] }],
    ["the errors are 10 minutes old", [[counted("m", 90, 45, 600_000)], [counted("m", 90, 0)]], { a: [23, 23] }],
    ["the errors are an hour old", [[counted("m", 90, 45, 3_600_000)], [counted("m", 90, 0)]], { a: [1, 1] }],
    [
      "another version works on the node",
      [[counted("m", 90, 45), counted("n", 100, 0)], [counted("m", 90, 0)], [counted("n", 100, 0)]],
      { a: [23, 45] },
    ],
    [
      "another version fails on the node alone",
      [[counted("m", 90, 0), counted("n", 90, 90)], [counted("m", 90, 0)], [counted("n", 100, 0)]],
      { a: [47, 0] },
    ],
  ])("when %s", (_, nodes, expected) => {
    expect(sharesOf(...nodes)).toEqual(expected);
  });

  it("never rise without new errors, and halve within 10 minutes", () => {
    const some = fc.record({ requests: fc.nat(1_000), share: fc.double({ min: 0, max: 1, noNaN: true }) });
    const later = fc.array(fc.record({ afterMs: fc.nat(3_600_000), good: fc.nat(500) }), { maxLength: 5 });
    fc.assert(
      fc.property(some, later, ({ requests, share: part }, steps) => {
        const shareOf = (errors: readonly VersionErrors[], now: number) =>
          errorSharesOf(fleetOf(errors, []), now).ofVersion.get("m:1")?.get("n-a") ?? 0;
        let known: readonly VersionErrors[] = [counted("m", requests, Math.round(requests * part))];
        let [now, last] = [NOW, shareOf(known, NOW)];
        for (const { afterMs, good } of steps) {
          now += afterMs;
          const ended = good === 0 ? [] : [{ model: "m", version: 1, requests: good, errors: 0 }];
          known = errorsAfter(known, ended, now) ?? [];
          const share = shareOf(known, now);
          expect(share).toBeLessThanOrEqual(last * 0.5 ** (afterMs / 600_000) + 1e-9);
          last = share;
        }
      }),
    );
  });
});
