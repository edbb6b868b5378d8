import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { IdentityFiles } from "../../../../edge-node/adapters/filesystem/identity-files.ts";
import { composeNode } from "../../../../edge-node/compose.ts";
import { readConfig } from "../../../../edge-node/config.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { seededRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { until } from "../../../support/processes/skerry-process.ts";

let stateDir: string;
let server: Server;
let answer: (response: ServerResponse) => void;
let asked: number;

beforeEach(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), "skerry-again-"));
  asked = 0;
  server = createServer((_request, response) => {
    asked += 1;
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const joined = {
    nodeId: "n-1",
    generation: 1,
    cpId: "cp-1",
    kind: "edge" as const,
    site: "north",
    zone: "a",
    urls: ["ws://127.0.0.1:1"],
  };
  await new IdentityFiles(stateDir).store(joined, { name: "dock-7", pin: "none", tokenId: "t-1" });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(stateDir, { recursive: true, force: true });
});

const joinAgain = (signal: AbortSignal): Promise<unknown> =>
  composeNode(
    readConfig({
      SKERRY_STATE_DIR: stateDir,
      SKERRY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      SKERRY_JOIN_TOKEN: `skj1.none.none.${"i".repeat(16)}.${"s".repeat(43)}`,
      SKERRY_JOIN_AGAIN: "1",
      SKERRY_NODE_NAME: "dock-7",
    }),
    { clock: systemClock, random: seededRandom(1), logger: silentLogger, rejoin: () => undefined, signal },
  );

/** What the next start without the token is. */
const identity = () => new IdentityFiles(stateDir).load();

describe("a node that joins again", () => {
  it("keeps its identity when the token is refused, twice too", async () => {
    const before = await identity();
    answer = (response) =>
      response
        .writeHead(401, { "content-type": "application/problem+json" })
        .end(JSON.stringify({ code: "JOIN_REFUSED", detail: "the token is used up" }));
    for (const _attempt of [1, 2])
      await expect(joinAgain(new AbortController().signal)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
    expect(await identity()).toMatchObject({ nodeId: "n-1", publicKey: before?.publicKey, isRemoved: false });
  });

  it("keeps it when it ends before the control plane has answered", async () => {
    const before = await identity();
    answer = () => undefined;
    const stopped = new AbortController();
    const joining = joinAgain(stopped.signal);
    await until("it has asked", () => asked > 0);
    stopped.abort(new Error("stopped"));
    await expect(joining).rejects.toThrow(/abort|stopped/i);
    expect(await identity()).toMatchObject({ nodeId: "n-1", publicKey: before?.publicKey });
  });
});
