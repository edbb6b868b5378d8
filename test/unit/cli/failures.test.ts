import { describe, expect, it } from "@jest/globals";
import { networkFailure } from "../../../cli/api/network-failure.ts";
import { ApiFailure } from "../../../cli/api/problem.ts";
import { CliFailure, interruptedFailure } from "../../../cli/failure.ts";
import { noPaint } from "../../../cli/output/paint.ts";
import { renderFailure } from "../../../cli/render-failure.ts";

const asked = { method: "PUT", url: "http://127.0.0.1:7070/api/v1/deployments/digits" };
const problem = {
  type: "about:blank",
  title: "A field is missing, unknown or out of range.",
  status: 400,
  detail: "the deployment digits is not valid.",
  code: "INVALID_REQUEST",
  fix: "Correct what is named and send the request again.",
  docs: "/docs/errors#INVALID_REQUEST",
  requestId: "r-1",
  causes: [
    { field: "placement.edge.min", message: "must be 0 or more" },
    { field: "", message: "one more thing" },
  ],
};

const rendered = (error: unknown): { exitCode: number; text: string } => {
  const { exitCode, lines } = renderFailure(error, noPaint, { debug: false });
  return { exitCode, text: lines.join("\n") };
};

describe("an error answer", () => {
  it("is shown as what happened, why, what to do, what was asked", () => {
    expect(rendered(new ApiFailure(400, problem, asked, new Headers()))).toEqual({
      exitCode: 1,
      text: [
        "error: the deployment digits is not valid (INVALID_REQUEST)",
        "  why      placement.edge.min: must be 0 or more",
        "  why      one more thing",
        "  fix      Correct what is named and send the request again.",
        "  asked    PUT http://127.0.0.1:7070/api/v1/deployments/digits",
        "  request  r-1",
      ].join("\n"),
    });
  });

  it("under /v2 takes its code from the header", () => {
    const headers = new Headers({ "Skerry-Error": "NO_ELIGIBLE_NODE", "Retry-After": "2" });
    const failure = new ApiFailure(503, { error: "no node may hold digits." }, asked, headers);
    expect([failure.exitCode, failure.retryAfterMs, failure.message]).toEqual([
      2,
      2000,
      "no node may hold digits (NO_ELIGIBLE_NODE)",
    ]);
  });

  it("of a stranger is quoted with the hint that it is no Skerry", () => {
    const { text } = rendered(new ApiFailure(502, "<html>Bad Gateway</html>", asked, new Headers()));
    expect(text).toContain("the server answered 502 without saying why");
    expect(text).toContain("<html>Bad Gateway</html>");
    expect(text).toContain("another server's or a proxy's");
  });
});

describe("no answer", () => {
  const refused = (code: string): Error =>
    Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error("x"), { code }) });

  it("because the connection was refused names the address, who chose it, and what starts a server", () => {
    expect(rendered(networkFailure(refused("ECONNREFUSED"), "http://127.0.0.1:7070", "from SKERRY_SERVER")).text).toBe(
      [
        "error: nothing listens at http://127.0.0.1:7070",
        "  why      the connection was refused",
        "  fix      `npm start` starts a whole Skerry on this machine; `--server` names another address",
        "  address  http://127.0.0.1:7070, from SKERRY_SERVER",
      ].join("\n"),
    );
  });

  it("from another machine does not propose to start one here", () => {
    expect(
      rendered(networkFailure(refused("ECONNREFUSED"), "https://skerry.example", "from `--server`")).text,
    ).not.toContain("npm start");
  });

  it("of any of several addresses is recognised behind the collected error", () => {
    const both = Object.assign(new TypeError("fetch failed"), {
      cause: new AggregateError([refused("ECONNREFUSED")], "all"),
    });
    expect(networkFailure(both, "http://localhost:1", "from `--server`").message).toBe(
      "nothing listens at http://localhost:1",
    );
  });
});

describe("other failures", () => {
  it("are a fault of the tool when nobody expected them", () => {
    expect(rendered(new TypeError("x is undefined"))).toEqual({
      exitCode: 1,
      text: "error: x is undefined\n  why      this should not happen: it is a fault of the command line tool\n  fix      run it again with SKERRY_DEBUG=1 and report what it prints",
    });
  });

  it("show their stack with SKERRY_DEBUG", () => {
    expect(renderFailure(new Error("boom"), noPaint, { debug: true }).lines.at(-1)).toContain("failures.test.ts");
  });

  it("keep further lines of a reason under the first", () => {
    const failure = new CliFailure(1, { what: "it failed", why: ["one\ntwo"] });
    expect(rendered(failure).text).toBe("error: it failed\n  why      one\n           two");
  });

  it("say nothing to the person who interrupts", () => {
    expect(renderFailure(interruptedFailure(), noPaint, { debug: false })).toEqual({ exitCode: 130, lines: [] });
  });
});
