import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { MqttSink } from "../../../../edge-node/adapters/streams/mqtt/mqtt-sink.ts";
import { mqttSink } from "../../../../edge-node/adapters/streams/mqtt/setting.ts";
import { eventually } from "../../../support/eventually.ts";
import { MqttBroker } from "../../../support/network/mqtt-broker.ts";

describe("a topic for results", () => {
  let broker: MqttBroker;
  beforeEach(async () => {
    broker = new MqttBroker();
    await broker.start();
  });
  afterEach(() => broker.close());

  async function deliver(given: object, position: number): Promise<void> {
    const setting = mqttSink.parse({ url: broker.url, ...given });
    const sink = new MqttSink(setting, { nodeName: "edge-a" }).open({ deployment: "same", name: "press" });
    const body = new TextEncoder().encode(JSON.stringify({ position }));
    const result = { position, acceptedAt: 1_700_000_000_000, idempotencyKey: `${position}`, key: "", body };
    expect(await sink.deliver([result], new AbortController().signal)).toEqual([{ kind: "delivered" }]);
    await sink.close();
  }

  it("keeps its last result for those who subscribe later, where that is declared", async () => {
    await deliver({ topic: "passing/{stream}" }, 1);
    await deliver({ topic: "last/{stream}", retain: true }, 2);
    await deliver({ topic: "last/{stream}", retain: true }, 3);
    const heard = await broker.listen("#");
    await deliver({ topic: "end" }, 4);
    await eventually("the end is heard", () => heard.some(({ topic }) => topic === "end"));
    expect(heard).toEqual([
      { topic: "last/press", body: { position: 3 } },
      { topic: "end", body: { position: 4 } },
    ]);
  });
});
