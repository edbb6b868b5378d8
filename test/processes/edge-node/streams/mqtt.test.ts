import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { StreamsFile } from "../../../../edge-node/adapters/streams/streams-file.ts";
import { mqttSink, mqttSource } from "../../../../edge-node/adapters/streams/mqtt/setting.ts";
import { eventually } from "../../../support/eventually.ts";
import { AnnouncingBroker } from "../../../support/network/announcing-broker.ts";
import { MqttBroker } from "../../../support/network/mqtt-broker.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../../shared/protocol/streams.ts";
import { aStream, StreamsRig } from "./support.ts";

const rig = new StreamsRig();
let broker: MqttBroker;
let folder: string;
beforeAll(async () => {
  await rig.local.startHosts();
  folder = await mkdtemp(path.join(tmpdir(), "skerry-mqtt-"));
});
afterAll(async () => {
  await rig.local.stopHosts();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await rig.close();
  await broker.close();
});

type Given = Readonly<Record<string, unknown>>;
const endpoints = (source: Given, sink: Given = {}): Partial<StreamsFile> => ({
  sources: { bus: { mqtt: mqttSource.parse({ url: broker.url, topics: ["line/+/vibration"], ...source }) } },
  sinks: { bus: { mqtt: mqttSink.parse({ url: broker.url, topic: "results/{stream}/{key}", ...sink }) } },
});
const MINUTE = 60_000;
jest.setTimeout(3 * MINUTE);
const publish = async (topic: string, body: unknown): Promise<void> => {
  await (await broker.client()).publishAsync(topic, JSON.stringify(body), { qos: 1 });
};

describe("a stream that subscribes and publishes by MQTT", () => {
  beforeEach(async () => {
    broker = new MqttBroker();
    await broker.start();
  });

  it("sends each message through the model and publishes its result under the topic of its key", async () => {
    const heard = await broker.listen("results/#");
    await rig.open([aStream({ source: "bus", sink: "bus" })], endpoints({ key: "topic" }));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    await publish("line/7/vibration", [1, -2.5]);
    await publish("line/7/noise", [9, 9]);
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    await eventually("it is heard", () => heard.length === 1);
    expect(heard).toEqual([
      {
        topic: "results/press/line%2F7%2Fvibration",
        body: expect.objectContaining({ stream: "press", position: 1, key: "line/7/vibration" }),
      },
    ]);
  });

  it("loses nothing that is published while it is away, and takes up its session", async () => {
    await rig.open([aStream({ source: "bus" })], endpoints({}));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    await publish("line/1/vibration", [0, 0]);
    await rig.whenShown("the first is delivered", ({ delivered }) => delivered === 1, MINUTE);
    rig.declare([aStream({ source: "push" })]);
    await eventually("it has left", () => ![...broker.connected].some((id) => id.startsWith("skerry-")));
    for (let i = 1; i <= 30; i += 1) await publish("line/1/vibration", [i, i]);
    rig.declare([aStream({ source: "bus" })]);
    const stream = await rig.whenShown("all are delivered", ({ delivered }) => delivered === 31, MINUTE);
    expect(stream).toMatchObject({ produced: 31, deduplicated: 0, dropped: 0 });
  });

  it("connects again when the broker comes back, and says so meanwhile", async () => {
    await rig.open([aStream({ source: "bus", sink: "bus" })], endpoints({}));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    await publish("line/1/vibration", [0, 0]);
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1, MINUTE);
    await broker.stop();
    await rig.whenShown("it says so", ({ reasons }) => /the broker|ECONNREFUSED/.test(reasons.join()));
    await broker.start();
    await publish("line/1/vibration", [1, 1]);
    const stream = await rig.whenShown(
      "the next is delivered, and nothing is in the way",
      ({ delivered, reasons }) => delivered === 2 && reasons.length === 0,
      MINUTE,
    );
    expect(stream.state).toBe("running");
  });

  it("leaves the rest with the broker while the store takes no more", async () => {
    await rig.open([aStream({ source: "bus", whenFull: "refuse" })], endpoints({}));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    await rig.receiver.stop();
    const heavy = Array.from({ length: 30_000 }, () => 0.123_456);
    for (let i = 0; i < 8; i += 1) await publish("line/1/vibration", heavy);
    await rig.whenShown("it says so", ({ reasons }) => reasons.some((why) => why.includes("the broker keeps")), MINUTE);
    await rig.receiver.start();
    const stream = await rig.whenShown("all are delivered", ({ delivered }) => delivered === 8, MINUTE);
    expect(stream).toMatchObject({ dropped: 0, expired: 0 });
  });

  it("refuses a message that is larger than an item, acknowledges it, and goes on with the next", async () => {
    await rig.open([aStream({ source: "bus" })], endpoints({}));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    const client = await broker.client();
    const tooLarge = Buffer.alloc(MAX_STREAM_ITEM_BYTES + 1_048_576, 0x20);
    await client.publishAsync("line/1/vibration", tooLarge, { qos: 1 });
    await publish("line/1/vibration", [1, 1]);
    const stream = await rig.whenShown("the next is delivered", ({ delivered }) => delivered === 1, MINUTE);
    expect(stream).toMatchObject({ produced: 2, dropReasons: { "too-large": 1 }, reasons: [] });
    // Had it not been acknowledged, it would come again with the next connection.
    broker.cut();
    await publish("line/1/vibration", [2, 2]);
    const after = await rig.whenShown("the one after it is delivered", ({ delivered }) => delivered === 2, MINUTE);
    expect(after.dropReasons).toMatchObject({ "too-large": 1 });
  });

  it("ends a connection on which a packet is announced that nobody may send, before it gathers it", async () => {
    // The head of a SUBACK of 200 MiB, and nothing of it.
    const announcing = new AnnouncingBroker(Buffer.from([0x90, 0x80, 0x80, 0x80, 0x64]));
    const url = await announcing.start();
    try {
      await rig.open([aStream({ source: "bus" })], endpoints({ url }));
      const { state, reasons } = await rig.whenShown("it says so", (shown) => shown.reasons.join().includes("packet"));
      expect({ state, reasons }).toEqual({
        state: "waiting",
        reasons: [expect.stringContaining("the broker sends a packet of 209715200 bytes, of at most")],
      });
      await eventually("the broker sees the end", () => announcing.ended > 0);
    } finally {
      await announcing.stop();
    }
  });

  it("knows messages by a field of theirs, where it is declared", async () => {
    await rig.open([aStream({ source: "bus", sink: "hook" })], endpoints({ id: { field: "id" } }));
    await rig.whenShown("it runs", ({ state }) => state === "running");
    const message = { id: "m-1", inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [7, 8] }] };
    for (let i = 0; i < 3; i += 1) await publish("line/1/vibration", message);
    const stream = await rig.whenShown("all are read", ({ produced }) => produced === 3);
    expect(stream.deduplicated).toBe(2);
  });
});

describe("a broker that asks for a name", () => {
  beforeEach(async () => {
    broker = new MqttBroker({ users: { press: "secret" }, refusesFilter: "forbidden/#" });
    await broker.start();
  });

  it("gets the password of a file, which may be replaced", async () => {
    const passwordFile = path.join(folder, "password");
    await writeFile(passwordFile, "wrong\n");
    await rig.open([aStream({ source: "bus" })], endpoints({ username: "press", passwordFile }));
    const waiting = await rig.whenShown("it says so", ({ reasons }) => /refused/i.test(reasons.join()));
    expect(waiting.reasons.join()).toMatch(/Not authorized|Bad username/i);
    await writeFile(passwordFile, "secret\n");
    await rig.whenShown("it runs", ({ state }) => state === "running", MINUTE);
  });

  it("is named when it does not grant the subscription", async () => {
    const passwordFile = path.join(folder, "password");
    await writeFile(passwordFile, "secret");
    await rig.open(
      [aStream({ source: "bus" })],
      endpoints({ username: "press", passwordFile, topics: ["forbidden/#"] }),
    );
    const waiting = await rig.whenShown("it says so", ({ reasons }) => /[Ss]ubscribe error|grant/.test(reasons.join()));
    expect(waiting.state).toBe("waiting");
  });
});

describe("a broker with TLS", () => {
  const tls = path.join(import.meta.dirname, "../../../support/network/tls");
  const file = (name: string): string => path.join(tls, name);
  const start = async (asks: boolean): Promise<void> => {
    const [key, cert, ca] = await Promise.all(
      ["server.key", "server.pem", "stranger.pem"].map((name) => readFile(file(name))),
    );
    broker = new MqttBroker({ tls: { key, cert, ...(asks && { ca, requestCert: true, rejectUnauthorized: true }) } });
    await broker.start();
  };

  it("is read and published to where its certificate is vouched for", async () => {
    await start(false);
    const heard = await broker.listen("results/#");
    const caFile = file("ca.pem");
    await rig.open([aStream({ source: "bus", sink: "bus" })], endpoints({ caFile, key: "topic" }, { caFile }));
    await rig.whenShown("it runs", ({ state }) => state === "running", MINUTE);
    await publish("line/7/vibration", [1, -2.5]);
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1, MINUTE);
    await eventually("it is heard", () => heard.length === 1);
    expect(heard[0]?.topic).toBe("results/press/line%2F7%2Fvibration");
  });

  it.each([
    ["nobody", {}],
    ["another one", { caFile: file("stranger.pem") }],
  ])("is not spoken to where %s vouches for it", async (_, trusted) => {
    await start(false);
    await rig.open([aStream({ source: "bus" })], endpoints(trusted));
    const waiting = await rig.whenShown("it says so", ({ reasons }) =>
      /certificate|signed|issuer/i.test(reasons.join()),
    );
    expect([waiting.state, broker.connected.size]).toEqual(["waiting", 0]);
  });

  it("knows the node by the certificate of its files, and refuses it without one", async () => {
    await start(true);
    const own = { caFile: file("ca.pem"), certFile: file("stranger.pem"), keyFile: file("stranger.key") };
    await rig.open([aStream({ source: "bus" })], endpoints(own));
    await rig.whenShown("it runs", ({ state }) => state === "running", MINUTE);
    await rig.close();
    await rig.open([aStream({ source: "bus" })], endpoints({ caFile: file("ca.pem") }));
    await rig.whenShown("it says so", ({ reasons }) => reasons.length > 0 && !reasons.join().includes("not taken"));
    expect(broker.connected.size).toBe(0);
  });
});
