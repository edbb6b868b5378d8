import { describe, expect, it } from "@jest/globals";
import { IdentityConflicts } from "../../../../../control-plane/app/node-sessions/identity-conflicts.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { Hello } from "../../../../../shared/protocol/messages.ts";
import { aFleetSession, aFleetState, aNode, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A node whose session another control plane is recorded to hold, which was last recorded to live at `ownerSeen`. */
function setUp(ownerSeen: number | undefined) {
  const node = aNode("edge-a", {
    session: aFleetSession({ replica: "r-other", open: true, ownerSeen }),
    observed: undefined,
  });
  const fleet = aFleetState({ nodes: [node], deployments: [], versions: [], aliases: [], placements: [] });
  let asked = 0;
  const conflicts = new IdentityConflicts({
    replica: "r-1",
    sessions: { isHeldElsewhere: () => Promise.resolve((asked += 1) > 0) },
    registry: new SessionRegistry(),
    fleet: fleet as never,
    recorder: { record: () => undefined },
    audit: { record: () => Promise.resolve() },
    clock: new TestClock(NOW),
    logger: silentLogger,
  });
  const refuse = (): Promise<void> =>
    conflicts.refuseClone({ bootId: "b-2", generation: 1 } as Hello, node.id, "10.0.0.7:1");
  return { refuse, asked: () => asked };
}

describe("a node whose session another control plane holds", () => {
  it("is refused when another process of it is heard there", async () => {
    const { refuse } = setUp(NOW);
    await expect(refuse()).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("is taken without asking PostgreSQL when that one is not recorded any more, as after a restart", async () => {
    const { refuse, asked } = setUp(undefined);
    await refuse();
    expect(asked()).toBe(0);
  });
});
