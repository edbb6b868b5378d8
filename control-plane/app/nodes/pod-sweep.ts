import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { PodNodeStore } from "../../ports/nodes/nodes.ts";
import type { LeaderFence } from "../../ports/plan.ts";
import type { PodCluster } from "../../ports/cloud/pods.ts";

const SWEEP_MS = 10_000;

interface Parts {
  readonly pods: PodCluster;
  readonly store: Pick<PodNodeStore, "podNodes" | "removePodNode">;
  /** Only the leader removes nodes; undefined while another control plane leads. */
  readonly lease: () => LeaderFence | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Removes the nodes whose pods are gone: a pod never comes back, so its node is not lost, it is no more. */
export class PodSweep {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** The outage that is logged already. */
  #outage: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(SWEEP_MS, () => {
      this.#round = this.#sweep().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  async #sweep(): Promise<void> {
    const { pods, store, lease, logger } = this.#parts;
    const fence = lease();
    if (!fence) return;
    try {
      // The rows first: a pod that joins between the two reads is then in the list of pods.
      const nodes = await store.podNodes();
      if (nodes.length === 0) return;
      const uids = await pods.podUids();
      for (const node of nodes)
        if (!uids.has(node.podUid))
          await store.removePodNode(fence, node, {
            type: "Normal",
            reason: "NodeRemoved",
            object: `node/${node.name}`,
            message: `${node.name} was removed: its pod is gone`,
          });
      this.#outage = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#outage) logger.warn({ why }, "nodes of pods that are gone cannot be removed now");
      this.#outage = why;
    }
  }
}
