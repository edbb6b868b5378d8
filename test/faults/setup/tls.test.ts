import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { OwnAuthority } from "../../../control-plane/adapters/tls/own-authority.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { GrpcClient } from "../../support/network/grpc-client.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
/** Between the node and whatever it points at. */
let proxy: TcpProxy;
let node: ClusterNode;
let grpcPort: number;
/** In place of the control plane, with a certificate for its names of another authority. */
let stranger: Server;
let strangerFolder: string;
/** What the stranger heard of HTTP. */
let heard: string[];

beforeAll(async () => {
  database = await startTestDatabase();
  proxy = await TcpProxy.start();
  grpcPort = await freePort();
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_TLS: "own",
    SKERRY_GRPC_PORT: String(grpcPort),
    SKERRY_NODE_URLS: `wss://127.0.0.1:${proxy.port}`,
  });
  proxy.pointAt(cluster.port);
  node = await cluster.addNode("edge-a", { env: { SKERRY_URL: `https://127.0.0.1:${proxy.port}` } });
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("echo");
  strangerFolder = await mkdtemp(path.join(tmpdir(), "skerry-stranger-"));
  const { cert, key } = await new OwnAuthority(strangerFolder, () => Date.now()).certificateFor([
    "127.0.0.1",
    "localhost",
  ]);
  heard = [];
  stranger = createServer({ cert, key }, (request, response) => {
    heard.push(`${request.method} ${request.url}`);
    response.end("{}");
  });
  stranger.on("upgrade", (request, socket) => {
    heard.push(`upgrade ${request.url}`);
    socket.destroy();
  });
  stranger.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await new Promise((resolve) => stranger?.close(resolve));
  await database?.stop();
  await rm(strangerFolder, { recursive: true, force: true });
});

const row = { inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }] };

describe("a node with an old key", () => {
  it("makes another one in its next session, and is the same node with it", async () => {
    const identity = async () => JSON.parse(await readFile(path.join(node.stateDir, "identity.json"), "utf8"));
    const before = await identity();
    const sql = new pg.Client({ connectionString: database.url });
    await sql.connect();
    await sql.query("UPDATE nodes SET key_made_at = now() - interval '46 days'");
    await node.process.stop();
    node.restart();
    const after = await until("the key is another one", async () => {
      const now = await identity();
      return now.publicKey !== before.publicKey && now;
    });
    expect(after).toEqual({ ...before, publicKey: after.publicKey });
    const { rows } = await sql.query("SELECT public_key, previous_key FROM nodes");
    expect(rows).toEqual([{ public_key: after.publicKey, previous_key: before.publicKey }]);
    await sql.query("UPDATE nodes SET previous_key_until = now()");
    await sql.end();
    proxy.cut();
    await cluster.whenNode("edge-a", "ready", 60_000);
    expect((await cluster.events()).map(({ reason }) => reason)).toContain("NodeKeyRotated");
  }, 150_000);
});

describe("a control plane with TLS and an authority of its own", () => {
  it("serves inference over HTTP and gRPC, through a node that joined by the pin", async () => {
    const answer = await until("it answers", async () => {
      const response = await cluster.infer("echo", row);
      return response.ok && response;
    });
    expect(await answer.json()).toMatchObject({ outputs: [{ data: [1, -2.5] }] });
    const client = new GrpcClient(grpcPort, await readFile(cluster.authorityFile, "utf8"));
    const { error, message } = await client.call("ServerLive", {}, { key: cluster.adminKey });
    client.close();
    expect([error, message]).toEqual([undefined, { live: true }]);
  });

  it("is not replaced by a server with another authority: the node sends it no byte, and returns", async () => {
    proxy.pointAt((stranger.address() as AddressInfo).port);
    const before = proxy.counters.accepted;
    proxy.cut();
    await until("the node has dialled the stranger twice", () => proxy.counters.accepted >= before + 2);
    await until("it says why", () =>
      node.process.output.includes("no certificate in the peer's chain has the pinned key"),
    );
    expect(heard).toEqual([]);
    proxy.pointAt(cluster.port);
    proxy.cut();
    await cluster.whenNode("edge-a", "ready", 60_000);
  }, 180_000);

  it("is asked for nothing by a command line that knows its authority, when a stranger answers", async () => {
    const env = { SKERRY_CONFIG: path.join(strangerFolder, "config.json"), SKERRY_API_KEY: cluster.adminKey };
    const run = async (...args: readonly string[]): Promise<string> => {
      const cli = new SkerryProcess("cli/main.ts", { args, env, log: path.join(strangerFolder, "cli.log") });
      await until("the command has ended", () => cli.child.exitCode !== null);
      return cli.output;
    };
    const server = `https://127.0.0.1:${proxy.port}`;
    expect(await run("login", "--server", server, "--ca", cluster.authorityFile)).toContain(`Logged in to ${server}`);
    expect(await run("nodes", "ls", "-o", "name")).toBe("edge-a\n");
    proxy.pointAt((stranger.address() as AddressInfo).port);
    const refused = await run("nodes", "ls");
    proxy.pointAt(cluster.port);
    expect(refused).toContain("nobody vouches for the server at");
    expect(heard).toEqual([]);
  }, 120_000);
});

describe("a node that runs signed versions only", () => {
  it("runs a version as soon as its publisher has signed it, and not before", async () => {
    const at = (name: string): string => path.join(strangerFolder, name);
    const env = { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, SKERRY_CA_FILE: cluster.authorityFile };
    const run = async (...args: readonly string[]): Promise<string> => {
      const cli = new SkerryProcess("cli/main.ts", { args, env, log: at("cli.log") });
      await cli.exited;
      return cli.output;
    };
    const model = identityModel("FP32", ["n", 3]);
    await writeFile(at("safe.onnx"), model);
    await run("signing-keys", "generate", at("release.key"));
    await cluster.addNode("edge-s", {
      env: {
        SKERRY_URL: `https://127.0.0.1:${proxy.port}`,
        SKERRY_SIGNING_KEYS_FILE: at("release.key.pub"),
      },
    });
    await cluster.publish("safe", model);
    const placement = { edge: { min: 1 }, where: { matchLabels: { name: "edge-s" } } };
    await cluster.deploy({ name: "safe", model: "safe", version: 1, placement });
    await until("it is refused", async () =>
      (await cluster.placements("safe")).some(({ failure }) => failure?.code === "SIGNATURE_INVALID"),
    );
    const signed = await run("models", "push", at("safe.onnx"), "--model", "safe", "--sign", at("release.key"));
    expect(signed).toContain("safe:1 is signed by the key");
    await cluster.whenDeploymentReady("safe");
  }, 150_000);
});
