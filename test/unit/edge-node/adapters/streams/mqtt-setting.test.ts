import { describe, expect, it } from "@jest/globals";
import type { z } from "zod";
import { mqttSink, mqttSource } from "../../../../../edge-node/adapters/streams/mqtt/setting.ts";
import { filterFault, isMatch, keyOfTopic, topicOf } from "../../../../../edge-node/adapters/streams/mqtt/topics.ts";

const complaints = (schema: z.ZodType, given: object): readonly string[] => {
  const parsed = schema.safeParse(given);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};
const source = (over: object): readonly string[] =>
  complaints(mqttSource, { url: "mqtt://127.0.0.1:1883", topics: ["a/b"], ...over });
const sink = (over: object): readonly string[] =>
  complaints(mqttSink, { url: "mqtts://plant.example:8883", topic: "results/{stream}", ...over });

describe("the setting of a broker", () => {
  it("takes what is whole", () => {
    expect(source({ topics: ["line/+/vibration", "$share/edge/line/#"], id: { field: "seq" } })).toEqual([]);
    expect(sink({ username: "press", passwordFile: "/etc/skerry/mqtt" })).toEqual([]);
  });

  it.each([
    ["a name in the address", { url: "mqtt://press:secret@plant:1883" }, /^url: host and port alone/],
    ["another protocol", { url: "http://plant:1883" }, /^url: mqtt:\/\/HOST:PORT/],
    ["no topic", { topics: [] }, /^topics: /],
    ["a wildcard within a level", { topics: ["a/b+"] }, /^topics\.0: \+ is a whole level/],
    ["# before the end", { topics: ["a/#/b"] }, /^topics\.0: # is the whole last level/],
    ["a topic that is too long", { topics: ["a".repeat(513)] }, /^topics\.0: it has 513 bytes, of at most 512/],
    ["a shared subscription of no group", { topics: ["$share/a"] }, /^topics\.0: a shared subscription/],
    ["a password without a name", { passwordFile: "/p" }, /^passwordFile: a password goes with a username/],
    [
      "a password that anybody could read",
      { url: "mqtt://plant:1883", username: "a", passwordFile: "/p" },
      /^passwordFile: the password would be readable/,
    ],
    ["a certificate without TLS", { caFile: "/ca.pem" }, /^caFile: certificates need mqtts/],
    [
      "a certificate without its key",
      { url: "mqtts://plant:8883", certFile: "/c.pem" },
      /^keyFile: certFile and keyFile/,
    ],
    ["an unknown field", { qos: 0 }, /qos/],
  ])("refuses %s, at its field", (_what, over, complaint) => {
    expect(source(over).join("\n")).toMatch(complaint);
  });

  it.each([
    ["a wildcard", "results/+", /has no \+/],
    ["a name that it does not know", "results/{site}", /\{site\} is none of/],
    ["a topic of the broker's own", "$SYS/a", /begin with \$/],
  ])("refuses %s in the topic of a sink", (_what, topic, complaint) => {
    expect(sink({ topic }).join("\n")).toMatch(complaint);
  });
});

describe("a topic", () => {
  it.each([
    ["a/+", "a/b", true],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["#", "$SYS/load", false],
    ["$share/edge/a/+", "a/b", true],
    ["a/b", "a/c", false],
  ])("of the filter %s: %s is %s", (filter, topic, is) => {
    expect([filterFault(filter), isMatch(filter, topic)]).toEqual([undefined, is]);
  });

  it("of a result gets no level and no wildcard from a name", () => {
    expect(topicOf("r/{node}/{key}", { node: "a", key: "x/+#" })).toBe("r/a/x%2F%2B%23");
  });

  it("is a key of at most 128 visible characters, another for each topic", () => {
    expect(keyOfTopic("line/7")).toBe("line/7");
    const [one, two] = ["x", "y"].map((end) => keyOfTopic(`${"lüge/".repeat(60)}${end}`));
    expect([one?.length, one === two, /^[\x21-\x7e]+$/.test(one ?? "")]).toEqual([128, false, true]);
  });
});
