import { describe, expect, it } from "@jest/globals";
import { parseMetrics } from "../../../cli/actions/models/model-push.ts";
import { tokenRequest } from "../../../cli/actions/nodes/tokens.ts";
import { parseInputSource, shapeOfBytes, shapeOfData } from "../../../cli/infer/parse-input.ts";
import { encodeRequest } from "../../../cli/infer/request.ts";
import { parseRoute, routeWords } from "../../../cli/infer/route-header.ts";
import { parseServerTiming } from "../../../cli/infer/server-timing.ts";
import { nodeNameFrom } from "../../../cli/join/node-options.ts";
import { parseModelReference } from "../../../cli/models/reference.ts";
import { readableLine } from "../../../cli/processes/log-file.ts";

describe("a model reference", () => {
  it.each([
    ["digits", "digits", undefined],
    ["digits:3", "digits", "3"],
    ["digits-small:champion", "digits-small", "champion"],
  ])("%s names model %s, version %s", (text, model, version) =>
    expect(parseModelReference(text)).toEqual({ model, version }),
  );

  it.each(["", ":3", "digits:", "a:b:c", "Digits", "../x"])("%j is refused", (text) =>
    expect(() => parseModelReference(text)).toThrow("does not name a model"),
  );
});

describe("an --input", () => {
  const image = { name: "image", datatype: "FP32", shape: [-1, 1, 28, 28] };

  it("is a JSON file or, with @, raw bytes", () => {
    expect(parseInputSource("image=a=b.json")).toEqual({ name: "image", file: "a=b.json", isBinary: false });
    expect(parseInputSource("image=@digit.f32")).toEqual({ name: "image", file: "digit.f32", isBinary: true });
  });

  it.each(["image", "=x", "image=", "image=@"])("%j is refused", (text) =>
    expect(() => parseInputSource(text)).toThrow("--input"),
  );

  it("has its variable dimension derived from the length", () => {
    expect(shapeOfBytes(image, 2 * 784 * 4)).toEqual([2, 1, 28, 28]);
    expect(shapeOfData(image, Array(784).fill(0))).toEqual([1, 1, 28, 28]);
    expect(
      shapeOfData({ name: "x", datatype: "FP32", shape: [-1, 2] }, [
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ).toEqual([3, 2]);
  });

  it("is refused when it cannot fill the shape", () => {
    expect(() => shapeOfBytes(image, 783 * 4)).toThrow('the input "image" does not fit the model');
    expect(() => shapeOfBytes(image, 785 * 4 + 1)).toThrow("does not fit");
    expect(() => shapeOfBytes({ ...image, datatype: "BYTES" }, 8)).toThrow("does not fit");
    expect(() => shapeOfData({ name: "x", datatype: "INT64", shape: [-1, -1] }, [1, 2])).toThrow("does not fit");
  });

  it("comes after the JSON header when it is binary", () => {
    const { content, headerLength = 0 } = encodeRequest({ inputs: [] }, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect(new TextDecoder().decode(content.subarray(0, headerLength))).toBe('{"inputs":[]}');
    expect([...content.subarray(headerLength)]).toEqual([1, 2, 3]);
  });
});

describe("Skerry-Route", () => {
  it("is put into words", () => {
    const route = parseRoute('placement="pl_7k2", reason=near-tie, eta=7, candidates=3, attempt=1');
    expect(route).toEqual({ placement: "pl_7k2", reason: "near-tie", etaMs: 7, candidates: 3, attempt: 1 });
    expect(routeWords(route)).toBe("near-tie of 3: as quick as the others, drawn by capacity, 7 ms expected");
  });

  it("tells what came of a cascade", () => {
    expect(routeWords(parseRoute("reason=cascade, candidates=1, attempt=1, rule=doubt"))).toBe(
      "cascade: the large model behind the one that was asked, by the rule doubt",
    );
    expect(routeWords(parseRoute("reason=only, candidates=1, attempt=1, closed=residency"))).toBe(
      "only: the only ready one; the large model behind it was closed by residency",
    );
  });

  it("keeps a reason that it does not know", () => {
    expect(routeWords(parseRoute("reason=constructor, candidates=1"))).toBe("constructor");
  });

  it("may be missing or strange", () => {
    expect([parseRoute(null), parseRoute("x"), routeWords(null)]).toEqual([null, null, "not told"]);
  });
});

describe("Server-Timing", () => {
  it("is read as names and milliseconds", () => {
    expect(parseServerTiming('route;dur=0.1, infer;desc="x";dur=2.1, bare')).toEqual([
      { name: "route", ms: 0.1 },
      { name: "infer", ms: 2.1 },
    ]);
  });
});

describe("options", () => {
  it("take metrics as numbers", () => {
    expect(parseMetrics({ accuracy: "0.98", runs: "1e3" })).toEqual({ accuracy: 0.98, runs: 1000 });
    expect(() => parseMetrics({ accuracy: "98%" })).toThrow("--metric accuracy=98%: not a number");
    expect(() => parseMetrics({ accuracy: "" })).toThrow("not a number");
  });

  it("of a join token are refused by the option's own name", () => {
    expect(tokenRequest({ kind: "edge", site: "harbour", ttl: 60 })).toMatchObject({ site: "harbour", ttlSeconds: 60 });
    expect(() => tokenRequest({ kind: "edge", site: "Harbour" })).toThrow("--site:");
    expect(() => tokenRequest({ kind: "edge", site: "x", ttl: 999_999 })).toThrow("--ttl:");
    expect(() => tokenRequest({ kind: "fog", site: "x" })).toThrow("--kind:");
  });
});

describe("a node's name", () => {
  it.each([
    ["Dock_7.example.org", "dock-7"],
    ["-x-", "x"],
    ["___", "node"],
    ["", "node"],
  ])("is made of the machine's name %j", (host, name) => expect(nodeNameFrom(host)).toBe(name));
});

describe("a log line", () => {
  it("of pino's is put into words", () => {
    const line = '{"level":50,"time":1,"pid":2,"err":{"message":"no disk"},"msg":"cannot start"}';
    expect(readableLine(line)).toBe("error: cannot start (no disk)");
    expect(readableLine('{"level":50,"error":"no disk","msg":"cannot start"}')).toBe("error: cannot start (no disk)");
  });

  it.each(["plain text", "{}", '"text"', "null"])("that is something else stays as it is: %s", (line) =>
    expect(readableLine(line)).toBe(line),
  );
});
