import { requireVersion } from "../../../../control-plane/adapters/postgres/row-version.ts";
import type { CloudPoolSpec } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { SettledPool } from "../../../../control-plane/app/cloud/pool-sources.ts";
import type { DeclaredPool, PoolDeclarations } from "../../../../control-plane/ports/cloud/cloud-pool.ts";

/** Declared pools in memory: the port's contract as far as the api can see it. */
export class MemoryPools implements PoolDeclarations {
  readonly #rows = new Map<string, DeclaredPool>();

  list(): Promise<readonly DeclaredPool[]> {
    return Promise.resolve([...this.#rows.values()]);
  }

  async put(spec: CloudPoolSpec, { ifMatch }: { readonly ifMatch: number | null | undefined }) {
    const before = this.#rows.get(spec.name);
    requireVersion(`the pool ${spec.name}`, before?.rowVersion, ifMatch);
    const rowVersion = (before?.rowVersion ?? 0) + 1;
    this.#rows.set(spec.name, { spec, rowVersion, kubernetesNamespace: null });
    return { created: !before, rowVersion };
  }

  async delete(name: string, { ifMatch }: { readonly ifMatch: number | undefined }): Promise<void> {
    if (!this.#rows.has(name)) throw new SkerryError("NOT_FOUND", `there is no pool ${name}`);
    requireVersion(`the pool ${name}`, this.#rows.get(name)?.rowVersion, ifMatch);
    this.#rows.delete(name);
  }
}

/** The pool `settled` of the settings, with nothing behind it. */
export const aSettledPool = (): SettledPool => ({
  settings: { name: "settled", min: 0, max: 4, site: "cloud" },
  deployment: { namespace: "skerry", name: "skerry-node" },
  pool: {
    name: "settled",
    observe: () => Promise.reject(new SkerryError("CLUSTER_UNAVAILABLE", "there is no cluster")),
    scale: () => Promise.resolve(false),
  },
});
