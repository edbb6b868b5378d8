import type { CustomResources } from "../../ports/cloud/custom-resources.ts";

/**
 * The same resources, written only while `isLeading`. The API server knows nothing of the lease, so a write that was under way
 * when it ended may still arrive; the next leader sees it and writes over it.
 */
export function whileLeading(cluster: CustomResources, isLeading: () => boolean): CustomResources {
  const require = (): void => {
    if (!isLeading()) throw new Error("this replica does not lead any more: nothing was written");
  };
  return {
    namespace: cluster.namespace,
    list: (kind) => cluster.list(kind),
    watch: (kind, after, signal) => cluster.watch(kind, after, signal),
    async create(kind, name) {
      require();
      return cluster.create(kind, name);
    },
    async remove(kind, resource) {
      require();
      return cluster.remove(kind, resource);
    },
    async setFinalizer(kind, resource, wanted) {
      require();
      return cluster.setFinalizer(kind, resource, wanted);
    },
    async writeStatus(kind, resource, status, wanted) {
      require();
      return cluster.writeStatus(kind, resource, status, wanted);
    },
    async record(kind, resource, event) {
      require();
      return cluster.record(kind, resource, event);
    },
  };
}
