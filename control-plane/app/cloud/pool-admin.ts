import type { CloudPoolInfo, CloudPoolSpec, PoolFindings } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { CloudPoolStore, DeclaredPool, PoolDeclarations } from "../../ports/cloud/cloud-pool.ts";
import { expectedVersion, type IfMatch, type IfMatchOrNew } from "../deployments/if-match.ts";
import { scalesAsWell, type PoolSources, type SettledPool } from "./pool-sources.ts";

interface Change<Condition = IfMatch> {
  readonly actor: Actor;
  readonly ifMatch: Condition;
}

interface Known {
  readonly pool: CloudPoolInfo;
  readonly rowVersion: number | null;
}

type Recorded = Awaited<ReturnType<CloudPoolStore["list"]>>[number];

interface Parts {
  readonly sources: Pick<PoolSources, "settled">;
  readonly declarations: PoolDeclarations;
  readonly store: Pick<CloudPoolStore, "list">;
  /** Namespaces whose pods may join. */
  readonly namespaces: ReadonlySet<string>;
}

/** Pools of cloud nodes: declared here, carried out by the leader's pool loop. */
export class PoolAdmin {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Those of the settings and those that are declared, as the leader found them last. Throws `DATABASE_UNAVAILABLE`. */
  async list(): Promise<readonly CloudPoolInfo[]> {
    return (await this.#all()).map(({ pool }) => pool);
  }

  /** Throws `NOT_FOUND`, `DATABASE_UNAVAILABLE`. `rowVersion`: null for a pool of the settings. */
  async get(name: string): Promise<Known> {
    const known = (await this.#all()).find(({ pool }) => pool.name === name);
    if (!known) throw new SkerryError("NOT_FOUND", `there is no pool ${name}`);
    return known;
  }

  /** Throws `CONFLICT`, `INVALID_REQUEST` when the settings of the control plane leave no room for this pool. */
  check({ name, namespace, deployment }: CloudPoolSpec): void {
    const { sources, namespaces } = this.#parts;
    this.#requireDeclared(name);
    if (!namespaces.has(namespace)) {
      const known = namespaces.size === 0 ? "there is none" : [...namespaces].join(", ");
      const message = `must be one whose pods may join (SKERRY_POD_SERVICE_ACCOUNTS): ${known}`;
      throw invalidFields("body", [{ field: "namespace", message }]);
    }
    const other = sources.settled.find((pool) => scalesAsWell(pool, { namespace, deployment }));
    if (other)
      throw new SkerryError(
        "CONFLICT",
        `the pool ${other.settings.name} of SKERRY_CLOUD_POOLS scales ${namespace}/${deployment}: two would undo each other's work`,
      );
  }

  /** Creates or replaces. Throws `CONFLICT`, `INVALID_REQUEST`, `STALE_ETAG`, `DATABASE_UNAVAILABLE`. */
  async put(
    spec: CloudPoolSpec,
    { actor, ifMatch }: Change<IfMatchOrNew>,
  ): Promise<{ readonly created: boolean; readonly rowVersion: number; readonly pool: CloudPoolInfo }> {
    const { declarations, store } = this.#parts;
    const { name } = spec;
    this.check(spec);
    const expected = await this.#expected(name, ifMatch);
    const { created, rowVersion } = await declarations.put(spec, { actor, ifMatch: expected });
    // Of this very version: by now the pool may have been changed again, or deleted.
    const declared = { spec, rowVersion, kubernetesNamespace: actor.kubernetesNamespace ?? null };
    const recorded = (await store.list()).find((each) => each.name === name);
    return { created, rowVersion, pool: ofDeclaration(declared, recorded) };
  }

  /** Its pods stay as they are: nobody scales them any more. Throws `NOT_FOUND`, `CONFLICT`, `STALE_ETAG`. */
  async delete(name: string, { actor, ifMatch }: Change): Promise<void> {
    this.#requireDeclared(name);
    const expected = await this.#expected(name, ifMatch);
    await this.#parts.declarations.delete(name, { actor, ifMatch: expected });
  }

  /** A version and what it says come from one read. */
  async #all(): Promise<readonly Known[]> {
    const { sources, declarations, store } = this.#parts;
    const [declared, recorded] = await Promise.all([declarations.list(), store.list()]);
    const found = new Map(recorded.map((each) => [each.name, each]));
    const names = new Set(sources.settled.map(({ settings }) => settings.name));
    return [
      ...sources.settled.map((of) => ({ pool: ofSettings(of, found.get(of.settings.name)), rowVersion: null })),
      ...declared
        .filter(({ spec }) => !names.has(spec.name))
        .map((of) => ({ pool: ofDeclaration(of, found.get(of.spec.name)), rowVersion: of.rowVersion })),
    ];
  }

  #requireDeclared(name: string): void {
    if (!this.#parts.sources.settled.some(({ settings }) => settings.name === name)) return;
    throw new SkerryError(
      "CONFLICT",
      `the pool ${name} is declared by SKERRY_CLOUD_POOLS of the control plane: change it there`,
    );
  }

  #expected<Asked extends IfMatchOrNew>(name: string, ifMatch: Asked): Promise<Exclude<Asked, "exists"> | undefined> {
    return expectedVersion(ifMatch, `the pool ${name}`, async () => {
      const declared = await this.#parts.declarations.list();
      return declared.find(({ spec }) => spec.name === name)?.rowVersion ?? null;
    });
  }
}

/** Nothing is known of it yet. */
const unseen = ({ name, min, max }: { name: string; min: number; max: number }): PoolFindings => ({
  name,
  min,
  max,
  wanted: min,
  replicas: 0,
  ready: 0,
  pending: 0,
  trouble: null,
  pods: [],
});

function ofSettings({ settings, deployment }: SettledPool, recorded: Recorded | undefined): CloudPoolInfo {
  return {
    ...(recorded ?? unseen(settings)),
    namespace: deployment?.namespace ?? null,
    deployment: deployment?.name ?? null,
    site: null,
    priority: 0,
    managedBy: "environment",
    recordedAgeMs: recorded?.recordedAgeMs ?? null,
  };
}

function ofDeclaration({ spec, kubernetesNamespace }: DeclaredPool, recorded: Recorded | undefined): CloudPoolInfo {
  const { name, min, max, namespace, deployment, priority, site = null } = spec;
  return {
    ...(recorded ?? unseen(spec)),
    name,
    min,
    max,
    namespace,
    deployment,
    priority,
    site,
    ...(kubernetesNamespace !== null && { managedBy: "kubernetes" }),
    recordedAgeMs: recorded?.recordedAgeMs ?? null,
  };
}
