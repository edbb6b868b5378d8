import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { WebSocket } from "ws";
import { NODE_LOG_RATE } from "../../../control-plane/app/events/event-recorder.ts";
import { CONTROL_PACE } from "../../../shared/protocol/limits.ts";
import { HostileNode } from "../../support/fakes/hostile-node.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const join = (name: string): Promise<HostileNode> =>
  HostileNode.join(cluster, name, path.join(cluster.directory, name));

describe("what one node does in excess", () => {
  it("in-flood: a log at the full rate of messages costs no admin write, no lease, and few events", async () => {
    const node = await join("chatty");
    const link = await node.dial();
    const lines = Array.from({ length: 32 }, (_, index) => ({
      level: "warn" as const,
      ageMs: 0,
      msg: `\u001b[2Jline ${index}`,
    }));
    const startedAt = performance.now();
    let seq = 0;
    const flood = setInterval(
      () => link.send({ type: "log", seq: (seq += 1), dropped: 0, lines }),
      1_000 / CONTROL_PACE.perSecond,
    );
    const statuses: number[] = [];
    await cluster.request("POST", "/models", { name: "m" });
    for (let write = 0; write < 100 || seq < 5 * CONTROL_PACE.perSecond; write += 1) {
      const answer = await fetch(`${cluster.url}/api/v1/models/m`, {
        method: "PATCH",
        headers: {
          authorization: `Bearer ${cluster.adminKey}`,
          "content-type": "application/json",
          "if-match": "*",
        },
        body: JSON.stringify({ labels: { write: String(write) } }),
      });
      await answer.arrayBuffer();
      statuses.push(answer.status);
    }
    clearInterval(flood);
    const seconds = (performance.now() - startedAt) / 1_000;
    link.close(1_000, "");
    expect([...new Set(statuses)]).toEqual([200]);
    expect(cluster.controlPlane.output).not.toMatch(/PostgreSQL does not answer|no longer lead|lease/);
    const said = (await cluster.events()).filter(({ reason }) => reason === "NodeLog");
    expect(said.length).toBeGreaterThan(0);
    expect(said.length).toBeLessThan(NODE_LOG_RATE.burst + (seconds + 2) * NODE_LOG_RATE.perSecond);
    expect(said[0]?.message).toBe("[2Jline 0");
    const metrics = await (await fetch(`${cluster.url}/metrics`)).text();
    expect(Number(/^skerry_events_dropped_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(1_000);
  }, 120_000);

  it("in-silent-sockets: sixty sockets that name a known node and say nothing keep nobody out", async () => {
    const known = await join("known");
    const others = await Promise.all(Array.from({ length: 10 }, (_, index) => join(`other-${index}`)));
    const silent = Array.from(
      { length: 60 },
      () =>
        new WebSocket(`ws://127.0.0.1:${cluster.port}/api/v1/node/control`, ["skerry.v1"], {
          headers: { "skerry-node-id": known.identity.nodeId },
        }),
    );
    for (const socket of silent) socket.on("error", () => undefined);
    const isOpen = ({ readyState }: WebSocket): boolean => readyState === WebSocket.OPEN;
    await until("sockets of the known node wait", () => silent.some(isOpen));
    const links = await Promise.all([...others, known].map((node) => node.dial()));
    expect(links).toHaveLength(11);
    await until("few of them are left", () => silent.filter(isOpen).length <= 6);
    for (const socket of silent) socket.terminate();
    for (const link of links) link.close(1_000, "");
  }, 120_000);
});
