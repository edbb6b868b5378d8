import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from "@jest/globals";
import path from "node:path";
import { mqttSink, mqttSource } from "../../../../edge-node/adapters/streams/mqtt/setting.ts";
import { eventually } from "../../../support/eventually.ts";
import { findMosquitto, Mosquitto } from "../../../support/network/mosquitto.ts";
import { aStream, StreamsRig } from "./support.ts";

const program = findMosquitto();
const describeWithMosquitto = program === undefined ? describe.skip : describe;
const caFile = path.join(import.meta.dirname, "../../../support/network/tls/ca.pem");
const MINUTE = 60_000;
jest.setTimeout(3 * MINUTE);

const rig = new StreamsRig();
let broker: Mosquitto;
beforeAll(() => rig.local.startHosts());
afterAll(() => rig.local.stopHosts());

interface Heard {
  readonly topic: string;
  readonly position: number;
  readonly key: unknown;
}

describeWithMosquitto("a stream by way of Mosquitto", () => {
  afterEach(async () => {
    await rig.close();
    await broker.close();
  });

  const open = async ({ tls, ...more }: { readonly tls: boolean; readonly version: string }): Promise<void> => {
    broker = new Mosquitto(program ?? "", { tls });
    await broker.start();
    const common = { url: broker.url, ...more, ...(tls && { caFile }) };
    await rig.open([aStream({ source: "bus", sink: "bus" })], {
      sources: { bus: { mqtt: mqttSource.parse({ ...common, topics: ["line/+/vibration"], key: "topic" }) } },
      sinks: { bus: { mqtt: mqttSink.parse({ ...common, topic: "results/{stream}/{key}" }) } },
    });
    await rig.whenShown("it runs", ({ state }) => state === "running", MINUTE);
  };

  it.each([
    ["3.1.1", false],
    ["3.1.1", true],
    ["5", false],
    ["5", true],
  ])("reads and publishes by MQTT %s, with TLS: %p", async (version, tls) => {
    await open({ version, tls });
    const client = await broker.client();
    const heard: Heard[] = [];
    client.on("message", (topic, payload, { properties }) => {
      const { position }: { position: number } = JSON.parse(payload.toString());
      heard.push({ topic, position, key: properties?.userProperties?.["idempotency-key"] });
    });
    await client.subscribeAsync("results/#", { qos: 1 });
    for (let i = 1; i <= 20; i += 1) await client.publishAsync("line/7/vibration", JSON.stringify([i, -i]), { qos: 1 });
    const stream = await rig.whenShown("all are delivered", ({ delivered }) => delivered === 20, MINUTE);
    expect(stream).toMatchObject({ produced: 20, deduplicated: 0, dropped: 0, reasons: [] });
    await eventually("all are heard", () => heard.length === 20);
    expect(new Set(heard.map(({ topic }) => topic))).toEqual(new Set(["results/press/line%2F7%2Fvibration"]));
    expect(heard.map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(new Set(heard.map(({ key }) => key)).size).toBe(version === "5" ? 20 : 1);
  });

  it("takes up its session of MQTT 5, in which the broker has kept what came while it was away", async () => {
    await open({ version: "5", tls: false });
    const client = await broker.client();
    const publish = (i: number) => client.publishAsync("line/1/vibration", JSON.stringify([i, i]), { qos: 1 });
    await publish(0);
    await rig.whenShown("the first is delivered", ({ delivered }) => delivered === 1, MINUTE);
    rig.declare([aStream({ source: "push" })]);
    await rig.whenShown("it reads its other source", ({ produced, state }) => produced === 1 && state === "running");
    for (let i = 1; i <= 30; i += 1) await publish(i);
    rig.declare([aStream({ source: "bus", sink: "bus" })]);
    const stream = await rig.whenShown("all are delivered", ({ delivered }) => delivered === 31, MINUTE);
    expect(stream).toMatchObject({ produced: 31, deduplicated: 0, dropped: 0 });
  });
});
