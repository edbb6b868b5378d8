import fc from "fast-check";
import { rolloutAction } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { EIGHT_NODES, type RolloutWorld } from "./rollout-world.ts";

const NAMES = EIGHT_NODES.map(({ name }) => name);

const index = fc.nat(NAMES.length - 1);
/** What may happen while a rollout is under way. */
export const anything = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("run" as const), most: fc.constantFrom(0, 1, 3, 99) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("work" as const), most: fc.constantFrom(1, 3, 99) }) },
  fc.record({ kind: fc.constant("wait" as const), seconds: fc.constantFrom(1, 10, 70, 700, 20_000) }),
  fc.record({ kind: fc.constant("unplug" as const), index }),
  fc.record({ kind: fc.constant("plugIn" as const), index }),
  fc.record({ kind: fc.constant("crash" as const), index, version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("break" as const), index, version: fc.integer({ min: 2, max: 3 }) }),
  fc.record({ kind: fc.constant("declare" as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("act" as const), action: fc.constantFrom(...rolloutAction.options) }),
  fc.record({ kind: fc.constant("verdict" as const), verdict: fc.constantFrom("pass", "fail", "more", undefined) }),
);
type Happening = typeof anything extends fc.Arbitrary<infer Value> ? Value : never;

export function happen(world: RolloutWorld, what: Happening): void {
  const name = "index" in what ? (NAMES[what.index] ?? "") : "";
  switch (what.kind) {
    case "run":
      for (const step of world.steps().slice(0, what.most)) world.execute(step);
      return;
    case "work":
      return void world.work(what.most);
    case "wait":
      world.now += what.seconds * 1_000;
      return;
    case "unplug":
      return world.unplug(name);
    case "plugIn":
      return world.plugIn(name);
    case "crash":
      return world.crash(name, what.version);
    case "break":
      return void world.broken.set(what.version, new Set([name]));
    case "declare":
      return world.declare({ version: what.version });
    case "act":
      return void world.act(what.action);
    case "verdict":
      world.verdict =
        what.verdict === undefined
          ? undefined
          : {
              verdict: what.verdict,
              findings: [{ check: "errors", result: what.verdict, sentence: "as the law says" }],
            };
  }
}
