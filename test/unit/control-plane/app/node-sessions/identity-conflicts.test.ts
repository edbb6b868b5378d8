import { describe, expect, it } from "@jest/globals";
import { IdentityConflicts } from "../../../../../control-plane/app/node-sessions/identity-conflicts.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { Clone } from "../../../../../control-plane/ports/nodes/nodes.ts";
import type { Hello } from "../../../../../shared/protocol/messages/node-messages.ts";
import { aFleetSession, aFleetState, aNode, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const CLONE_AT = "10.0.0.66:9";

/**
 * Two control planes: `r-1`, which a process dials, and `r-other`, which is recorded to hold the session of its node and was
 * last recorded to live at `ownerSeen`. `isAlive`: the process of that session answers pings.
 */
function setUp({ ownerSeen, isAlive = false }: { readonly ownerSeen: number | undefined; readonly isAlive?: boolean }) {
  const clock = new TestClock(NOW);
  const node = aNode("edge-a", {
    session: aFleetSession({ replica: "r-other", open: true, ownerSeen }),
    observed: undefined,
  });
  const fleet = aFleetState({ nodes: [node], deployments: [], versions: [], aliases: [], placements: [] });
  const statements: string[] = [];
  const sent: { readonly type: string; readonly detail?: string }[] = [];
  let [heardAt, pings] = [NOW - 60_000, 0];
  const control = {
    send: (message: never) => sent.push(message),
    close: () => undefined,
    lastByteAt: () => NOW - 60_000 + (isAlive ? pings : 0),
    ping: () => void (pings += 1),
  };
  const registry = new SessionRegistry();
  const session = aSession(node, { control: control as never, clock, fleet: fleet as never });
  registry.add(session);
  const events: string[] = [];
  const controlPlane = (replica: string, sessions: SessionRegistry): IdentityConflicts =>
    new IdentityConflicts({
      replica,
      sessions: {
        heldElsewhere: async () => {
          statements.push("held");
          return { silentMs: clock.now() - heardAt };
        },
        announceClone: async (clone: Clone) => {
          statements.push("announce");
          void other.announced(clone);
        },
        heard: async () => {
          statements.push("heard");
          heardAt = clock.now();
        },
      },
      registry: sessions,
      fleet: fleet as never,
      recorder: { record: ({ reason }) => void events.push(reason) },
      audit: { record: async () => undefined },
      clock,
      logger: silentLogger,
    });
  const other = controlPlane("r-other", registry);
  const dialled = controlPlane("r-1", new SessionRegistry());
  const refuse = (bootId = "b-2"): Promise<void> =>
    dialled.refuseClone({ bootId, generation: 1 } as Hello, node.id, CLONE_AT);
  /** What becomes of it within 5 s. */
  const outcome = async (bootId?: string): Promise<string> => {
    const ended = refuse(bootId).then(
      () => "taken",
      ({ code }: { code: string }) => code,
    );
    for (let step = 0; step < 100; step += 1) await clock.advance(50);
    return ended;
  };
  return { outcome, statements, sent, events, session, clock };
}

describe("a node whose session another control plane holds", () => {
  it("is refused while another process of it lives there, which hears of it", async () => {
    const { outcome, sent, events } = setUp({ ownerSeen: NOW, isAlive: true });
    expect(await outcome()).toBe("CONFLICT");
    expect(events).toEqual(["IdentityConflict"]);
    expect(sent).toEqual([
      {
        type: "error",
        code: "IDENTITY_CONFLICT",
        detail: `a process at ${CLONE_AT} has this identity too and is refused; was this folder copied?`,
      },
    ]);
  });

  it("is refused each time, and the other one hears of it once in five minutes", async () => {
    const { outcome, sent, events, clock } = setUp({ ownerSeen: NOW, isAlive: true });
    for (let attempt = 0; attempt < 3; attempt += 1) expect(await outcome()).toBe("CONFLICT");
    expect([events.length, sent.length]).toEqual([1, 1]);
    await clock.advance(300_000);
    expect(await outcome()).toBe("CONFLICT");
    expect([events.length, sent.length]).toEqual([2, 2]);
  });

  it("is taken when nothing comes from the other process, as after a restart", async () => {
    const { outcome, sent, events } = setUp({ ownerSeen: NOW });
    expect(await outcome()).toBe("taken");
    expect([sent, events]).toEqual([[], []]);
  });

  it("is no clone of itself", async () => {
    const { outcome, sent, session } = setUp({ ownerSeen: NOW, isAlive: true });
    await outcome(session.bootId);
    expect(sent).toEqual([]);
  });

  it("is taken without asking PostgreSQL when that one is not recorded any more, as after a restart", async () => {
    const { outcome, statements } = setUp({ ownerSeen: undefined });
    expect(await outcome()).toBe("taken");
    expect(statements).toEqual([]);
  });
});
