import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ACTIONS, type Action, rolesOf } from "../../../../../control-plane/core/access/actions.ts";
import { decide, isInScope, type Resource } from "../../../../../control-plane/core/access/decide.ts";
import { role } from "../../../../../shared/api/v1/access/keys.ts";

const ACTION_NAMES = Object.keys(ACTIONS) as Action[];
const name: fc.Arbitrary<string> = fc.constantFrom("digits", "chat", "secret");
const principal = fc.record({
  role: fc.constantFrom(...role.options),
  models: fc.uniqueArray(name),
  deployments: fc.array(fc.record({ name, model: name }), { maxLength: 2 }),
});
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.record({ kind: fc.constant("model" as const), name }),
  fc.record({
    kind: fc.constant("deployment" as const),
    name,
    model: fc.option(name, { nil: undefined }),
  }),
);

describe("a decision about access", () => {
  it("forbids what the role may not do, whatever the object is", () => {
    fc.assert(
      fc.property(
        principal,
        fc.constantFrom(...ACTION_NAMES),
        fc.option(resource, { nil: undefined }),
        (who, action, what) => {
          const isOfRole = rolesOf(action).includes(who.role);
          expect(decide(who, action, what) === "forbidden").toBe(!isOfRole);
        },
      ),
    );
  });

  it("hides from an application what is not of its models, and nothing from the other roles", () => {
    fc.assert(
      fc.property(principal, resource, (who, what) => {
        const model = what.kind === "model" ? what.name : what.model;
        const isNamed = who.deployments.some(
          ({ name: each, model: served }) => what.name === (what.kind === "model" ? served : each),
        );
        const isOwn = model !== undefined && (who.models.includes(model) || isNamed);
        expect(isInScope(who, what)).toBe(who.role !== "application" || isOwn);
      }),
    );
  });

  it("lets no application change anything", () => {
    const changes = ACTION_NAMES.filter((action) => /\.(write|delete|revoke)$/.test(action));
    expect(changes.length).toBeGreaterThan(6);
    for (const action of changes) expect([action, rolesOf(action).includes("application")]).toEqual([action, false]);
  });
});
