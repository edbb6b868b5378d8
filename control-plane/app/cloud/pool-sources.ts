import type { PoolSettings } from "../../core/scaling/pool.ts";
import type { CloudPool, DeclaredPool, PoolDeclarations } from "../../ports/cloud/cloud-pool.ts";

/** A pool and what scales it. */
export interface ConfiguredPool {
  readonly settings: PoolSettings;
  readonly pool: CloudPool;
}

/** A pool of the settings, with the Deployment that it scales; null: processes of this machine. */
export interface SettledPool extends ConfiguredPool {
  readonly deployment: { readonly namespace: string; readonly name: string } | null;
}

interface Parts {
  /** Those of the settings, in their order. */
  readonly settled: readonly SettledPool[];
  readonly declarations: Pick<PoolDeclarations, "list">;
  /** Undefined: this control plane scales no Deployments, and nothing is declared. */
  readonly open: ((of: { name: string; namespace: string; deployment: string }) => CloudPool) | undefined;
  /** The site of pods whose pool says nothing else. */
  readonly site: string;
}

/** Every pool there is: those of the settings, and those that are declared, which come and go. */
export class PoolSources {
  readonly settled: readonly SettledPool[];
  readonly #declarations: Parts["declarations"];
  readonly #open: Parts["open"];
  readonly #site: string;
  /** By what they scale, so that a pool whose bounds change is the same pool. */
  #opened: ReadonlyMap<string, CloudPool> = new Map();

  constructor({ settled, declarations, open, site }: Parts) {
    this.settled = settled;
    this.#declarations = declarations;
    this.#open = open;
    this.#site = site;
  }

  /** Whether there can be any. */
  get isUsed(): boolean {
    return this.settled.length > 0 || this.#open !== undefined;
  }

  /** In the order in which they are filled. Throws `DATABASE_UNAVAILABLE`. */
  async list(): Promise<readonly ConfiguredPool[]> {
    const open = this.#open;
    if (!open) return this.settled;
    const opened = new Map<string, CloudPool>();
    // The settings may have changed since it was declared: two pools of one Deployment would undo each other's work.
    const isHidden = ({ spec }: DeclaredPool): boolean =>
      this.settled.some((pool) => pool.settings.name === spec.name || scalesAsWell(pool, spec));
    const declarations = (await this.#declarations.list()).filter((each) => !isHidden(each));
    const declared = declarations.map(({ spec }) => {
      const { name, namespace, deployment, min, max, site, priority } = spec;
      const key = `${name} ${namespace}/${deployment}`;
      const pool = this.#opened.get(key) ?? open({ name, namespace, deployment });
      opened.set(key, pool);
      const settings = { name, min, max, site: site ?? this.#site, needsPoolLabel: site !== undefined };
      return { settings, pool, priority };
    });
    this.#opened = opened;
    return [...this.settled.map((pool) => ({ ...pool, priority: 0 })), ...declared].toSorted(
      (a, b) => b.priority - a.priority,
    );
  }

  /** The site of a pod whose label says that it is of this pool. Throws `DATABASE_UNAVAILABLE`. */
  async siteOf(pool: string | undefined): Promise<string> {
    if (pool === undefined || !this.#open) return this.#site;
    const isIt = ({ spec }: DeclaredPool): boolean => spec.name === pool;
    return (await this.#declarations.list()).find(isIt)?.spec.site ?? this.#site;
  }
}

/** Whether a pool of the settings scales this Deployment. */
export const scalesAsWell = (
  { deployment }: SettledPool,
  of: { readonly namespace: string; readonly deployment: string },
): boolean => deployment?.namespace === of.namespace && deployment.name === of.deployment;
