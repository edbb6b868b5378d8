import { describe, expect, it } from "@jest/globals";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { ControlChannel, InferenceChannel } from "../../../../../control-plane/ports/nodes/channels.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const control: ControlChannel = { send: () => 1, close: () => undefined, lastByteAt: () => 0, ping: () => undefined };

const aChannel = (): InferenceChannel & { readonly closed: string[] } => {
  const closed: string[] = [];
  return { closed, send: () => true, close: (_code, reason) => closed.push(reason), lastByteAt: () => 0 };
};

function setUp() {
  const session = aSession({ id: "n-1" as NodeId, name: "edge-a", kind: "edge" }, { control, clock: new TestClock() });
  const ended: string[] = [];
  const begin = (name: string): void => {
    void session.pending.begin(1e12).outcome.then(({ kind }) => ended.push(`${name} ${kind}`));
  };
  return { session, ended, begin };
}

describe("the inference channels of a session", () => {
  it("lose the requests on an older channel when a newer one opens, and close it", async () => {
    const { session, ended, begin } = setUp();
    const older = aChannel();
    session.attachInference(older);
    begin("first");
    session.attachInference(aChannel());
    await settle();
    expect(ended).toEqual(["first lost"]);
    expect(older.closed).toEqual(["a newer inference channel has opened"]);
  });

  it("keep the requests on the newer channel when the close of the older one arrives late", async () => {
    const { session, ended, begin } = setUp();
    const older = aChannel();
    const newer = aChannel();
    session.attachInference(older);
    session.attachInference(newer);
    begin("second");
    session.detachInference(older);
    await settle();
    expect(ended).toEqual([]);
    session.detachInference(newer);
    await settle();
    expect(ended).toEqual(["second lost"]);
    expect(session.inference).toBeUndefined();
  });
});
