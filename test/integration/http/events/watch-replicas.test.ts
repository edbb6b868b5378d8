import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { openStores } from "../../postgres/fixture.ts";
import { HttpServer } from "../../../../control-plane/adapters/http/server/server.ts";
import { LIMITS } from "../../../../control-plane/adapters/http/server/limits.ts";
import { composeControlPlane, type ControlPlane } from "../../../../control-plane/compose.ts";
import { readConfig } from "../../../../control-plane/config.ts";
import { openTls } from "../../../../control-plane/compose/open-tls.ts";
import { deployment } from "../../../../shared/api/v1/deployments/deployments.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { EventStream } from "../support/event-stream.ts";
import { callAt, openCall } from "../support/http-call.ts";
import { nextMessage, untilBookmark, type Message } from "../support/watch-messages.ts";

interface Replica {
  readonly controlPlane: ControlPlane;
  readonly postgres: PostgresStores;
  readonly port: number;
  readonly directory: string;
}

let database: TestDatabase;
let replicas: Replica[] = [];
let key: string;

async function startReplica(): Promise<Replica> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-watch-"));
  const config = readConfig({ DATABASE_URL: database.url, SKERRY_DATA_DIR: directory });
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const http = new HttpServer({ clock: systemClock, limits: LIMITS });
  const postgres = await openStores(database.url);
  const controlPlane = await composeControlPlane(config, {
    postgres,
    http,
    tls: await openTls(config, common),
    ...common,
  });
  await controlPlane.start();
  controlPlane.open();
  const port = await http.listen({ host: "127.0.0.1", port: 0 });
  return { controlPlane, postgres, port, directory };
}

async function stopReplica({ controlPlane, postgres, directory }: Replica): Promise<void> {
  await controlPlane.stop();
  await postgres.close();
  await rm(directory, { recursive: true, force: true });
}

beforeAll(async () => {
  database = await startTestDatabase();
  replicas = [await startReplica(), await startReplica()];
  key = (await replicas[0]?.controlPlane.keys.mintFirstKey()) ?? "";
  await at(0, "POST", "/api/v1/models", { name: "digits" });
  await at(0, "POST", "/api/v1/models/digits/versions", { bytes: 1, sha256: "0".repeat(64) });
});
afterAll(async () => {
  await Promise.all(replicas.map(stopReplica));
  await database.stop();
});

const portOf = (index: number): number => replicas[index]?.port ?? 0;
const at = (index: number, method: string, path: string, body?: unknown) =>
  callAt(portOf(index), [method, path], { key, ...(body !== undefined && { body }) });
const followAt = (index: number, after?: string): Promise<EventStream> =>
  EventStream.open(
    openCall(portOf(index), ["GET", "/api/v1/deployments?watch=true"], {
      key,
      headers: after === undefined ? {} : { "Last-Event-ID": after },
    }),
  );

async function until(stream: EventStream, is: (message: Message) => boolean): Promise<Message> {
  for (let message = await nextMessage(stream); message; message = await nextMessage(stream))
    if (is(message)) return message;
  throw new Error("the stream ended");
}

// One story: each test goes on where the one before it stopped.
describe("two control planes on one database", () => {
  const spec = { name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } };

  it("show at one what was declared at the other, and what the leader found", async () => {
    const streams = await Promise.all([followAt(0), followAt(1)]);
    for (const stream of streams) expect((await untilBookmark(stream)).seen).toEqual(["reset"]);
    await at(0, "PUT", "/api/v1/deployments/digits", spec);
    for (const stream of streams) {
      const events: string[] = [];
      await until(stream, ({ event, name, data }) => {
        if (name !== "digits") return false;
        events.push(event);
        return deployment.parse(data).status.observedGeneration === 1;
      });
      expect(events[0]).toBe("added");
      stream.close();
    }
  });

  it("begin anew for a follower that comes from the other", async () => {
    const first = await followAt(0);
    const { id } = await untilBookmark(first);
    first.close();
    const second = await followAt(1, id);
    expect((await untilBookmark(second)).seen).toEqual(["reset", "added digits"]);
    await at(0, "DELETE", "/api/v1/deployments/digits");
    await until(second, ({ event, name }) => event === "deleted" && name === "digits");
    second.close();
  });

  it("end their streams when they stop, and begin anew after a restart", async () => {
    const stream = await followAt(1);
    const { id } = await untilBookmark(stream);
    const [, stopped] = replicas;
    replicas = replicas.slice(0, 1);
    if (stopped) await stopReplica(stopped);
    expect(await stream.next()).toBeUndefined();
    replicas.push(await startReplica());
    const again = await followAt(1, id);
    expect((await untilBookmark(again)).seen).toEqual(["reset"]);
    again.close();
  });
});
