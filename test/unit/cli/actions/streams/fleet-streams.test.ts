import { describe, expect, it } from "@jest/globals";
import { fleetStreams, keyOf, statesOf, sumOf } from "../../../../../cli/actions/streams/fleet-streams.ts";
import type { Deployment } from "../../../../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../../../../shared/api/v1/nodes/nodes.ts";

const aDeployment = (name: string, streams: readonly string[]): Deployment =>
  ({ name, spec: { streams: streams.map((each) => ({ name: each, source: "in", sink: "out" })) } }) as never;
const aReport = (deployment: string, name: string, delivered: number, state = "running") => ({
  deployment,
  name,
  state,
  produced: delivered,
  delivered,
});
const aNode = (name: string, streams: readonly object[]): Node => ({ name, load: { streams } }) as never;

describe("the streams of a fleet", () => {
  it("are those that are declared, each with what its nodes report", () => {
    const found = fleetStreams(
      [aDeployment("reader", ["scans"]), aDeployment("ears", ["press"])],
      [
        aNode("edge-a", [aReport("reader", "scans", 3)]),
        aNode("edge-b", [aReport("reader", "scans", 4, "waiting")]),
        { name: "edge-c", load: null } as never,
      ],
    );
    expect(found.map(keyOf)).toEqual(["ears/press", "reader/scans"]);
    expect(found.map(statesOf)).toEqual(["on no node", "1 running, 1 waiting"]);
    expect(found.map((each) => sumOf(each, ({ delivered }) => delivered))).toEqual([0, 7]);
  });

  it("are also those that a node still works off though nobody declares them", () => {
    const [found, ...others] = fleetStreams([], [aNode("edge-a", [aReport("reader", "scans", 3, "ending")])]);
    expect([found?.declared, found && keyOf(found), others]).toEqual([undefined, "reader/scans", []]);
  });
});
