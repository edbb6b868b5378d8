import { toInstant } from "../../../../shared/api/v1/common.ts";
import { CHAIN_START } from "../../../../shared/api/v1/access/audit-chain.ts";
import { requireVersion } from "../../../../control-plane/adapters/postgres/row-version.ts";
import type { SkerryEvent } from "../../../../shared/api/v1/events.ts";
import type { ApiKeyInfo } from "../../../../shared/api/v1/access/keys.ts";
import type { JoinTokenInfo } from "../../../../shared/api/v1/nodes/nodes.ts";
import { canonicalJson } from "../../../../shared/base/digest.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { FleetDeployment, FleetRows } from "../../../../control-plane/core/fleet/types.ts";
import type { DeploymentStore } from "../../../../control-plane/ports/catalog/catalog.ts";
import type { Actor, AuditRow, AuditStore } from "../../../../control-plane/ports/access/audit.ts";
import type { EventStore, NewEvent } from "../../../../control-plane/ports/events.ts";
import type { IdempotencyStore } from "../../../../control-plane/ports/idempotency.ts";
import type { KeyStore, StoredKey } from "../../../../control-plane/ports/access/keys.ts";
import type { NodeAdminStore } from "../../../../control-plane/ports/nodes/nodes.ts";
import type { RolloutStore } from "../../../../control-plane/ports/rollouts/rollouts.ts";
import { MemoryLogins } from "./memory-logins.ts";

const WALL = 1_767_225_600_000;

/** The tables behind the HTTP api, in memory: the ports' contracts as far as the api can see them. */
export class MemoryStores {
  readonly rows: { -readonly [Key in keyof FleetRows]: [...FleetRows[Key]] };
  readonly happened: SkerryEvent[] = [];
  readonly audited: AuditRow[] = [];
  readonly keyRows = new Map<string, StoredKey>();
  readonly tokenRows = new Map<string, JoinTokenInfo>();
  readonly #versions = new Map<string, number>();
  readonly #replies = new Map<string, { hash: string; reply: { status: number; body: unknown } | undefined }>();
  /** Called when something was committed. */
  onCommit: () => void = () => undefined;
  isAway = false;

  readonly #clock: Clock;
  readonly #keysMadeAt = new Map<string, number>();

  constructor(rows: FleetRows, clock: Clock) {
    this.#clock = clock;
    this.logins = new MemoryLogins(clock, (actor, verb, target) => this.#audit(actor, verb, target));
    this.rows = {
      nodes: [...rows.nodes],
      deployments: [...rows.deployments],
      versions: [...rows.versions],
      aliases: [...rows.aliases],
      placements: [...rows.placements],
    };
  }

  happen(event: NewEvent): void {
    this.happened.push({ id: String(this.happened.length + 1), at: toInstant(WALL), ...event });
    this.onCommit();
  }

  readonly events: EventStore = {
    append: async (events) => events.forEach((event) => this.happen(event)),
    read: async ({ after, limit, newest, object }) => {
      this.#reach();
      if (after !== null && !/^\d+$/.test(after))
        throw new SkerryError("INVALID_REQUEST", `${after} is not the id of an event`);
      const wanted = this.happened.filter((event) => object === undefined || event.object === object);
      if (newest) return wanted.slice(-limit);
      return wanted.filter(({ id }) => after === null || Number(id) > Number(after)).slice(0, limit);
    },
  };

  readonly audit: AuditStore = {
    list: async ({ before, limit }) =>
      this.audited
        .toReversed()
        .filter(({ id }) => before === null || Number(id) < Number(before))
        .slice(0, limit),
    head: async () => ({ id: String(this.audited.length), hash: CHAIN_START, newest: String(this.audited.length) }),
  };

  readonly keys: KeyStore = {
    find: async (id) => {
      this.#reach();
      const row = this.keyRows.get(id);
      if (!row) return null;
      const ageMs = this.#clock.now() - (this.#keysMadeAt.get(id) ?? 0);
      return { ...row, expiresInMs: row.expiresInMs === null ? null : row.expiresInMs - ageMs };
    },
    list: async () => [...this.keyRows.values()].map(keyInfo),
    good: async (limit) =>
      [...this.keyRows.values()]
        .filter(({ revokedAt }) => revokedAt === null)
        .slice(0, limit)
        .map((row) => ({ ...row, expiresAt: row.expiresInMs })),
    create: async ({ ttlMs, modelLabels: _labels, deployments, ...key }, actor) => {
      const granted = this.rows.deployments.filter(({ name }) => deployments.includes(name));
      const row: StoredKey = {
        ...key,
        deployments: granted.map(({ name, spec }) => ({ name, model: spec.model })),
        expiresInMs: ttlMs,
        revokedAt: null,
      };
      this.keyRows.set(key.id, row);
      this.#keysMadeAt.set(key.id, this.#clock.now());
      this.#audit(actor, "create", `api-key/${key.id}`);
      return keyInfo(row);
    },
    rotate: async (id, { id: newId, secretHash, ttlMs, overlapMs }, actor) => {
      const old = this.keyRows.get(id);
      if (!old) throw new SkerryError("NOT_FOUND", `there is no API key ${id}`);
      const row: StoredKey = { ...old, id: newId, secretHash, expiresInMs: ttlMs ?? old.expiresInMs };
      this.keyRows.set(newId, row);
      this.#keysMadeAt.set(newId, this.#clock.now());
      this.keyRows.set(id, { ...old, expiresInMs: Math.min(old.expiresInMs ?? Infinity, overlapMs) });
      this.#keysMadeAt.set(id, this.#clock.now());
      this.#audit(actor, "rotate", `api-key/${id}`);
      return keyInfo(row);
    },
    revoke: async (id, actor) => {
      const row = this.keyRows.get(id);
      if (!row) throw new SkerryError("NOT_FOUND", `there is no API key ${id}`);
      this.keyRows.set(id, { ...row, revokedAt: WALL });
      this.#audit(actor, "revoke", `api-key/${id}`);
    },
    touch: async () => undefined,
    isEmpty: async () => this.keyRows.size === 0,
  };

  readonly logins: MemoryLogins;

  readonly nodes: NodeAdminStore = {
    update: async (name, { kubernetesNamespace, drain, ...change }, { actor, ifMatch, event }) => {
      this.#reach();
      const at = this.#node(name);
      this.#raise(`node/${name}`, ifMatch);
      if (change.name !== undefined) this.#raise(`node/${change.name}`, undefined);
      const row = this.rows.nodes[at];
      if (row)
        this.rows.nodes[at] = {
          ...row,
          ...change,
          ...(drain && {
            drain: {
              deadline: this.#clock.now() + 1_000 * drain.deadlineSeconds,
              removes: drain.removes,
              announced: undefined,
              revision: WALL,
            },
          }),
          kubernetesNamespace:
            kubernetesNamespace === undefined ? row.kubernetesNamespace : (kubernetesNamespace ?? undefined),
        };
      this.#audit(actor, "update", `node/${name}`);
      if (event) this.happen(event);
    },
    revoke: async (name, { actor, event }) => {
      const at = this.#node(name);
      const row = this.rows.nodes[at];
      if (row) this.rows.nodes[at] = { ...row, revoked: true };
      this.#raise(`node/${name}`, undefined);
      this.#audit(actor, "revoke", `node/${name}`);
      this.happen(event);
    },
    approve: async (name, { actor, event }) => {
      const at = this.#node(name);
      const row = this.rows.nodes[at];
      if (row) this.rows.nodes[at] = { ...row, waiting: undefined };
      this.#audit(actor, "approve", `node/${name}`);
      this.happen(event);
    },
    reject: (name, { actor, event }) => this.nodes.revoke(name, { actor, event }),
    createReplaceToken: async (name, { id, ttlSeconds }, { actor }) => {
      const row = this.rows.nodes[this.#node(name)];
      if (!row) throw new SkerryError("NOT_FOUND", `there is no node ${name}`);
      const { kind, site, zone } = row;
      const made = await this.nodes.createToken(
        { id, secretHash: "", kind, site, zone, name, labels: {}, ttlSeconds, uses: 1 },
        actor,
      );
      return { ...made, replaces: row.id };
    },
    rowVersion: async (name) =>
      this.rows.nodes.some((node) => node.name === name) ? this.#versionOf(`node/${name}`) : null,
    createToken: async (token, actor) => {
      const { id, kind, site, zone, name = null, ttlSeconds, uses, needsApproval = false } = token;
      const info: JoinTokenInfo = {
        id,
        kind,
        site,
        zone,
        name,
        expiresAt: toInstant(WALL + ttlSeconds * 1_000),
        uses,
        used: 0,
        needsApproval,
        replaces: null,
        usedAt: null,
        usedBy: null,
        createdAt: toInstant(WALL),
      };
      this.tokenRows.set(id, info);
      this.#audit(actor, "create", `join-token/${id}`);
      return info;
    },
    listTokens: async () => [...this.tokenRows.values()],
    deleteToken: async (id) => {
      if (!this.tokenRows.delete(id)) throw new SkerryError("NOT_FOUND", `there is no join token ${id}`);
    },
  };

  readonly deployments: DeploymentStore = {
    put: async (spec, { actor, ifMatch }) => {
      this.#reach();
      if (!this.rows.versions.some(({ model }) => model === spec.model))
        throw new SkerryError("NOT_FOUND", `there is no model ${spec.model}`);
      const object = `deployment/${spec.name}`;
      const known = this.rows.deployments.find(({ name }) => name === spec.name);
      requireVersion(object, known && this.#versionOf(object), ifMatch);
      const changed = !known || canonicalJson(known.spec) !== canonicalJson(spec);
      const generation = (known?.generation ?? 0) + Number(changed);
      const row: FleetDeployment = {
        name: spec.name,
        spec,
        generation,
        createdAt: known?.createdAt ?? WALL,
        status: known?.status,
        rollout: known?.rollout,
      };
      this.rows.deployments = [...this.rows.deployments.filter(({ name }) => name !== spec.name), row];
      if (known && changed) this.#raise(object, undefined);
      this.#audit(actor, "put", object);
      this.happen({ type: "Normal", reason: "DeploymentDeclared", object, message: `${spec.name} was declared` });
      return { created: !known, changed, generation, rowVersion: this.#versionOf(object) };
    },
    delete: async (name, { ifMatch }) => {
      if (!this.rows.deployments.some((deployment) => deployment.name === name))
        throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
      this.#check(`deployment/${name}`, ifMatch);
      this.rows.deployments = this.rows.deployments.filter((deployment) => deployment.name !== name);
      this.onCommit();
    },
    release: async (name) => {
      this.rows.deployments = this.rows.deployments.map((row) =>
        row.name === name ? { ...row, kubernetesNamespace: undefined } : row,
      );
      this.onCommit();
    },
    retry: async (name, actor) => {
      if (!this.rows.deployments.some((deployment) => deployment.name === name))
        throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
      const isFailed = ({ deployment, state }: FleetRows["placements"][number]): boolean =>
        deployment === name && state === "failed";
      const retried = this.rows.placements.filter(isFailed).length;
      this.rows.placements = this.rows.placements.map((row) =>
        isFailed(row) ? { ...row, generation: row.generation + 1, state: "offered", failure: undefined } : row,
      );
      this.#audit(actor, "retry", `deployment/${name}`);
      this.onCommit();
      return retried;
    },
    rowVersion: async (name) => {
      this.#reach();
      return this.rows.deployments.some((deployment) => deployment.name === name)
        ? this.#versionOf(`deployment/${name}`)
        : null;
    },
  };

  readonly rollouts: RolloutStore = {
    act: async ({ deployment, before, newest, next, events }, { action, actor }) => {
      this.#reach();
      const known = this.rows.deployments.find(({ name }) => name === deployment);
      if (!known?.rollout || known.rollout.revision !== before?.revision) return false;
      const { number, revision } = known.rollout;
      const rollout = next
        ? { ...known.rollout, number: number + 1, revision: 1, record: next }
        : { ...known.rollout, revision: revision + 1, record: newest ?? known.rollout.record };
      this.rows.deployments = this.rows.deployments.map((row) => (row === known ? { ...row, rollout } : row));
      this.#audit(actor, action, `deployment/${deployment}`);
      for (const event of events) this.happen(event);
      return true;
    },
    history: async (deployment) => {
      this.#reach();
      const rollout = this.rows.deployments.find(({ name }) => name === deployment)?.rollout;
      if (!rollout) return [];
      const { number, record, beganAt, phaseAt } = rollout;
      return [{ number, record, beganAt: toInstant(beganAt), phaseAt: toInstant(phaseAt), endedAt: null }];
    },
  };

  readonly idempotency: IdempotencyStore = {
    begin: async (keyId, key, requestHash) => {
      const known = this.#replies.get(`${keyId} ${key}`);
      if (!known) {
        this.#replies.set(`${keyId} ${key}`, { hash: requestHash, reply: undefined });
        return { kind: "new" };
      }
      if (known.hash !== requestHash) return { kind: "mismatch" };
      return known.reply ? { kind: "done", ...known.reply } : { kind: "busy" };
    },
    finish: async (keyId, key, reply) => {
      const known = this.#replies.get(`${keyId} ${key}`);
      this.#replies.set(`${keyId} ${key}`, { hash: known?.hash ?? "", reply });
    },
    abandon: async (keyId, key) => void this.#replies.delete(`${keyId} ${key}`),
  };

  /** What a reader of the table of kept answers would see. */
  keptReplies(): string {
    return JSON.stringify([...this.#replies.values()]);
  }

  #reach(): void {
    if (this.isAway) throw new SkerryError("DATABASE_UNAVAILABLE", "PostgreSQL does not answer");
  }

  #node(name: string): number {
    const at = this.rows.nodes.findIndex((node) => node.name === name);
    if (at === -1) throw new SkerryError("NOT_FOUND", `there is no node ${name}`);
    return at;
  }

  #versionOf(object: string): number {
    return this.#versions.get(object) ?? 1;
  }

  #check(object: string, ifMatch: number | undefined): void {
    if (ifMatch !== undefined && ifMatch !== this.#versionOf(object))
      throw new SkerryError("STALE_ETAG", `${object} was changed since it was read`);
  }

  #raise(object: string, ifMatch: number | undefined): void {
    this.#check(object, ifMatch);
    this.#versions.set(object, this.#versionOf(object) + 1);
  }

  #audit(actor: Actor, action: string, target: string): void {
    const { name, keyId, address, requestId } = actor;
    this.audited.push({
      id: String(this.audited.length + 1),
      at: toInstant(WALL),
      actor: name,
      keyId,
      action,
      target,
      address,
      requestId,
      detail: {},
      prev: null,
      hash: null,
    });
  }
}

const keyInfo = ({ id, name, role, models, deployments, limits, expiresInMs, revokedAt }: StoredKey): ApiKeyInfo => ({
  id,
  name,
  role,
  models: [...models],
  modelLabels: {},
  deployments: deployments.map((each) => each.name),
  limits,
  successor: null,
  createdAt: toInstant(WALL),
  expiresAt: expiresInMs === null ? null : toInstant(WALL + expiresInMs),
  lastUsedAt: null,
  revokedAt: revokedAt === null ? null : toInstant(revokedAt),
});
