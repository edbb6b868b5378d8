import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { methodsOf, OPEN, routeOf } from "../../../../edge-node/adapters/http/routes.ts";
import { aStream, StreamsRig } from "../streams/support.ts";

interface Operation {
  readonly security: readonly object[];
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, { schema: object }>> }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const rig = new StreamsRig();
let document: { readonly openapi: string; readonly info: { readonly version: string }; readonly paths: Paths };

beforeAll(() => rig.local.startHosts(), 60_000);
afterAll(() => rig.local.stopHosts());
beforeEach(async () => {
  await rig.open([aStream()]);
  document = (await rig.local.call("/openapi.json")).json as typeof document;
});
afterEach(() => rig.close());

/** What an answer has that its description has not. */
function faultOf(path: string, { status, method = "get" }: { status: number; method?: string }, answer: unknown) {
  const responses = document.paths[path]?.[method]?.responses;
  const schema = (responses?.[String(status)] ?? responses?.["default"])?.content["application/json"]?.schema;
  if (schema === undefined) return "it is not described";
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(answer).error?.message;
}

describe("the description of a node's own paths", () => {
  it("is of the node's version, and needs nothing but itself", () => {
    expect([document.openapi, document.info.version]).toEqual(["3.1.0", "1.2.3"]);
    expect(JSON.stringify(document)).not.toContain("$ref");
  });

  it("names paths that there are, with their methods, and whether they need a key", () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      const route = routeOf(path.replace("{deployment}", "same").replace("{stream}", "press"));
      if (route === undefined) throw new Error(`there is no ${path}`);
      for (const [method, { security }] of Object.entries(operations)) {
        expect([path, methodsOf(route)]).toEqual([path, expect.arrayContaining([method.toUpperCase()])]);
        expect([path, security.length === 0]).toEqual([path, OPEN.has(route.kind)]);
      }
    }
    const local = ["/livez", "/metrics", "/openapi.json", "/readyz", "/status.json", "/streams"];
    expect(Object.keys(document.paths).toSorted()).toEqual([...local, "/streams/{deployment}/{stream}"]);
  });

  it.each(["/openapi.json", "/livez", "/readyz", "/status.json", "/streams"])("says what %s answers", async (path) => {
    await rig.push([1, 2], { "idempotency-key": "one" });
    const { status, json } = await rig.local.call(path);
    expect([status, faultOf(path, { status }, json)]).toEqual([200, undefined]);
  });

  it("says what a node answers that is of no use now", async () => {
    rig.local.facts.draining = true;
    const { status, json } = await rig.local.call("/readyz");
    expect([status, faultOf("/readyz", { status }, json)]).toEqual([503, undefined]);
  });

  it.each([
    ["that is taken", 202, [1, 2], "/streams/same/press"],
    ["of a stream that there is not", 404, [1, 2], "/streams/same/other"],
    ["without a byte", 400, new Uint8Array(), "/streams/same/press"],
  ])("says what a push answers %s", async (_, wanted, item, to) => {
    const { status, json } = await rig.push(item, { "idempotency-key": "one" }, to);
    const described = faultOf("/streams/{deployment}/{stream}", { status, method: "post" }, json);
    expect([status, described]).toEqual([wanted, undefined]);
  });

  it("tells an answer that is another one", () => {
    expect(faultOf("/streams", { status: 200 }, { streams: [{ name: "press" }] })).toContain("deployment");
    expect(faultOf("/status.json", { status: 200 }, { name: "dock-7" })).toContain("kind");
  });
});
