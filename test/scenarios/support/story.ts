import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { RolloutAction } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import {
  alice,
  attemptWith,
  connect,
  event,
  hashOf,
  openStores,
  readyVersion,
} from "../../integration/postgres/fixture.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { TestClock } from "../../support/test-clock.ts";
import { startReplica, type Replica } from "./replica.ts";
import { ScriptedNode } from "./scripted-node.ts";
import { agingStatement, CallQueue } from "./time-travel.ts";

const TICK_MS = 100;
const SETTLE_TURNS = 3;
const HEARTBEAT_SECONDS = 5;
const CHANGE = { actor: alice, ifMatch: undefined };

interface Parts {
  readonly database: TestDatabase;
  readonly postgres: PostgresStores;
  readonly sql: pg.Client;
  readonly directory: string;
  readonly aging: (seconds: number) => string;
}

/** One run of a story: real PostgreSQL, real control planes without their sockets, scripted nodes, and a clock that the story moves. */
export class Story {
  readonly #parts: Parts;
  readonly #clock = new TestClock();
  readonly #queue = new CallQueue();
  readonly #replicas: Replica[] = [];
  readonly #nodes = new Map<string, ScriptedNode>();
  #lines: string[] = [];
  #cursor: string | null = null;
  #elapsed = "";
  /** The time of the machine plus this is the story's, as the database has it. */
  #aheadMs = this.#clock.now() - performance.now();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async open(): Promise<Story> {
    const database = await startTestDatabase();
    const postgres = await openStores(database.url);
    const sql = await connect(database.url);
    const directory = await mkdtemp(join(tmpdir(), "skerry-story-"));
    return new Story({ database, postgres, sql, directory, aging: await agingStatement(sql) });
  }

  async close(): Promise<void> {
    for (const replica of this.#replicas) await replica.stop();
    await this.#queue.idle();
    const { database, postgres, sql, directory } = this.#parts;
    await sql.end();
    await postgres.close();
    await database.stop();
    await rm(directory, { recursive: true });
  }

  /** Runs `work`, lets everything that follows from it happen, and returns what was printed. */
  async run(work: (story: Story) => Promise<void> | void): Promise<readonly string[]> {
    this.#lines = [];
    this.#elapsed = "";
    await work(this);
    await this.#settle();
    return this.#lines;
  }

  async start(name: string): Promise<void> {
    const { postgres, directory } = this.#parts;
    const story = { postgres, directory, clock: this.#clock, queue: this.#queue };
    this.#replicas.push(
      await startReplica(name, {
        ...story,
        print: (line) => this.print(line),
        printUntimed: (line) => this.printUntimed(line),
      }),
    );
  }

  async stop(name: string): Promise<void> {
    await this.#replica(name).stop();
    this.#replicas.splice(this.#replicas.indexOf(this.#replica(name)), 1);
  }

  /** The process is gone between two instructions; the sockets of its nodes are gone with it. */
  kill(name: string): void {
    const replica = this.#replica(name);
    replica.clock.isDead = true;
    this.#replicas.splice(this.#replicas.indexOf(replica), 1);
    for (const node of this.#nodes.values()) node.lose(replica.gateway);
  }

  async publish(model: string): Promise<void> {
    this.print(`${model}:${await readyVersion(this.#parts.postgres, model)} is ready to be placed`);
  }

  async alias(model: string, alias: string, version: number): Promise<void> {
    await this.#parts.postgres.catalog.moveAlias(
      { model, alias, version, ifMatch: undefined },
      { actor: alice, event: event("moved") },
    );
  }

  async join(name: string, at: string, over: { kind: "edge" | "cloud"; zone: string; memMiB: number }): Promise<void> {
    const { postgres } = this.#parts;
    const tokenId = `token-of-${name}`;
    const { kind, zone, memMiB } = over;
    const token = { id: tokenId, secretHash: hashOf(tokenId), kind, site: "harbour", zone, name, labels: {} };
    await postgres.nodes.createToken({ ...token, ttlSeconds: 600, uses: 1 }, alice);
    const id = `n-${name}` as NodeId;
    await postgres.sessions.join(attemptWith(tokenId, { name, kind, publicKey: `key of ${name}`, newNodeId: id }));
    const parts = { name, id, memMiB, now: () => this.#clock.now(), print: (line: string) => this.print(line) };
    this.#nodes.set(name, new ScriptedNode(parts));
    await this.connect(name, at);
  }

  connect(node: string, replica: string): Promise<void> {
    return this.node(node).connect(this.#replica(replica).gateway);
  }

  node(name: string): ScriptedNode {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`there is no node ${name}`);
    return node;
  }

  async deploy(spec: object): Promise<void> {
    await this.#anyReplica().deployments.put(deploymentSpec.parse(spec), CHANGE);
  }

  async retry(name: string): Promise<void> {
    await this.#anyReplica().deployments.retry(name, alice);
  }

  async actOnRollout(name: string, action: RolloutAction): Promise<void> {
    await this.#anyReplica().rollouts.act(name, { action }, alice);
  }

  rollout(name: string): void {
    const { number, from, to, phase, wave, waves, share, nodes, reason } = this.#anyReplica().rollouts.get(name);
    this.print(
      `rollout ${number} from ${from} to ${to}: ${phase}, wave ${wave} of ${waves.length}, ${share} % to ${to}`,
    );
    this.print(reason);
    for (const { node, state, why } of nodes) this.print(`${node} is ${state}${why === null ? "" : `: ${why}`}`);
  }

  async undeploy(name: string): Promise<void> {
    await this.#anyReplica().deployments.delete(name, CHANGE);
  }

  async administer(action: "cordon" | "uncordon" | "drain", node: string): Promise<void> {
    const { nodes } = this.#anyReplica();
    if (action === "drain") await nodes.drain(node, { atDeadline: "wait" }, CHANGE);
    else await nodes[action](node, CHANGE);
  }

  async revoke(node: string): Promise<void> {
    await this.#anyReplica().nodes.revoke(node, CHANGE);
  }

  status(name: string): void {
    const { conditions, activeVersion, unplaced } = this.#anyReplica().deployments.get(name).status;
    for (const { type, status, message } of conditions) this.print(`${type}=${status}: ${message}`);
    this.print(`version ${activeVersion ?? "none"} answers`);
    for (const sentence of unplaced) this.print(`unplaced: ${sentence}`);
  }

  async wait(seconds: number): Promise<void> {
    await this.#settle();
    for (let passed = 1; passed <= seconds; passed += 1) {
      this.#elapsed = `+${passed} s  `;
      await this.#age(1_000);
      for (let ms = 0; ms < 1_000; ms += 5 * TICK_MS) {
        await this.#clock.advance(5 * TICK_MS);
        await this.#queue.idle();
      }
      if (passed % HEARTBEAT_SECONDS === 0) for (const node of this.#nodes.values()) node.heartbeat();
      await this.#refresh();
    }
  }

  printUntimed(line: string): void {
    this.#lines.push(line);
  }

  print(line: string): void {
    this.#lines.push(`${this.#elapsed}${line}`);
  }

  /** Changes reach every control plane, plans follow, and what they do reaches every control plane again. */
  async #settle(): Promise<void> {
    await this.#age(SETTLE_TURNS * TICK_MS);
    for (let turn = 0; turn < SETTLE_TURNS; turn += 1) {
      await this.#clock.advance(TICK_MS);
      await this.#refresh();
    }
  }

  /**
   * Brings the database to the story's time in `ms`. What the machine took longer for the last step than the story says is taken
   * back: leases and sessions ended early on a busy one.
   */
  async #age(ms: number): Promise<void> {
    await this.#queue.idle(); // what is under way holds locks
    const aheadMs = this.#clock.now() + ms - performance.now();
    const passed = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    await this.#parts.sql.query(this.#parts.aging(passed / 1_000));
  }

  async #refresh(): Promise<void> {
    await this.#queue.idle();
    for (const { fleet } of this.#replicas) await fleet.refresh();
    await this.#queue.idle();
    const query = { after: this.#cursor, limit: 500, newest: false, object: undefined };
    for (const { id, reason, message } of await this.#parts.postgres.events.read(query)) {
      this.#cursor = id;
      this.print(`event ${reason}: ${message}`);
    }
  }

  #replica(name: string): Replica {
    const replica = this.#replicas.find((each) => each.name === name);
    if (!replica) throw new Error(`there is no control plane ${name}`);
    return replica;
  }

  #anyReplica(): Replica {
    const [first] = this.#replicas;
    if (!first) throw new Error("no control plane runs");
    return first;
  }
}
