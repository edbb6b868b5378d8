import { describe, expect, it } from "@jest/globals";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { aNode, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const CHANNEL = { send: () => 0, close: () => undefined, lastByteAt: () => NOW, ping: () => undefined };
const sessionOf = (name: string) => aSession(aNode(name), { control: CHANNEL, clock: new TestClock(NOW) });

describe("sessions with requests", () => {
  it("are those whose requests are under way, again and again", () => {
    const registry = new SessionRegistry();
    const [one, other] = [sessionOf("edge-a"), sessionOf("edge-b")];
    registry.add(one);
    registry.add(other);
    expect(registry.withRequests()).toEqual([]);
    for (let turn = 0; turn < 2; turn += 1) {
      const first = one.pending.begin(NOW + 1_000);
      const second = one.pending.begin(NOW + 1_000);
      one.pending.cancel(first.requestId);
      expect(registry.withRequests()).toEqual([one]);
      one.pending.cancel(second.requestId);
      expect(registry.withRequests()).toEqual([]);
    }
  });

  it("keep those that began before the session was added, and those of a session that is over", () => {
    const registry = new SessionRegistry();
    const [older, newer] = [sessionOf("edge-a"), sessionOf("edge-a")];
    older.pending.begin(NOW + 1_000);
    registry.add(older);
    expect(registry.withRequests()).toEqual([older]);
    registry.add(newer);
    newer.pending.begin(NOW + 1_000);
    registry.remove(newer);
    expect(registry.withRequests()).toEqual([older, newer]);
    older.pending.loseAll();
    newer.pending.loseAll();
    expect(registry.withRequests()).toEqual([]);
  });
});
