import { describe, expect, it } from "@jest/globals";
import { methodsOf, routeOf } from "../../../../../edge-node/adapters/http/routes.ts";

describe("the node's routes", () => {
  it.each<[string, unknown]>([
    ["/", { kind: "page", file: "index.html" }],
    ["/page.js", { kind: "page", file: "page.js" }],
    ["/status.json", { kind: "status" }],
    ["/livez", { kind: "live" }],
    ["/v2", { kind: "server-metadata" }],
    ["/v2/models/digits", { kind: "model-metadata", target: { model: "digits", version: undefined } }],
    ["/v2/models/digits/versions/3", { kind: "model-metadata", target: { model: "digits", version: "3" } }],
    ["/v2/models/digits/versions/3/ready", { kind: "model-ready", target: { model: "digits", version: "3" } }],
    ["/v2/models/digits/infer", { kind: "infer", target: { model: "digits", version: undefined } }],
    ["/v2/models/a%20b/versions/3/infer", { kind: "infer", target: { model: "a b", version: "3" } }],
    ["/v2/models/%zz/infer", { kind: "infer", target: { model: "%zz", version: undefined } }],
    ["/v2/models/digits:explain", { kind: "explain", target: { model: "digits", version: undefined } }],
    ["/v2/models/digits/versions/3:explain", { kind: "explain", target: { model: "digits", version: "3" } }],
    ["/v2/repository/models/digits/load", { kind: "repository-change" }],
    ["/V2/models", undefined],
    ["/v2/models/digits/infer/more", undefined],
    ["/v2/models//infer", undefined],
  ])("finds %s", (path, route) => {
    expect(routeOf(path)).toEqual(route);
  });

  it("takes POST where something is sent, and GET elsewhere", () => {
    expect(methodsOf({ kind: "repository-index" })).toEqual(["POST"]);
    expect(methodsOf({ kind: "status" })).toEqual(["GET", "HEAD"]);
  });
});
