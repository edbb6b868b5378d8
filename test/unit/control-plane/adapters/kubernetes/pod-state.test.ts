import { describe, expect, it } from "@jest/globals";
import {
  isGone,
  machineTrouble,
  podShape,
  poolPodOf,
  silentMachineOf,
} from "../../../../../control-plane/adapters/kubernetes/pod-state.ts";
import { quantity } from "../../../../../control-plane/adapters/kubernetes/quantity.ts";

const pod = (status: object, metadata: object = {}) =>
  poolPodOf(
    podShape.parse({ metadata: { name: "pod-1", creationTimestamp: "2026-01-01T00:00:00Z", ...metadata }, status }),
  );
const waitingFor = (reason: string, message?: string) => ({
  phase: "Pending",
  containerStatuses: [{ restartCount: 0, state: { waiting: { reason, message } } }],
});

describe("a pod of a pool", () => {
  it.each([
    ["runs", { phase: "Running", containerStatuses: [{ restartCount: 0, state: {} }] }, "running", undefined],
    ["is about to start", waitingFor("ContainerCreating"), "pending", undefined],
    [
      "cannot be scheduled",
      {
        phase: "Pending",
        conditions: [
          { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/2 nodes are available" },
        ],
      },
      "pending",
      "Unschedulable: 0/2 nodes are available",
    ],
    [
      "has no image",
      waitingFor("ImagePullBackOff", "Back-off pulling image skerry:9"),
      "pending",
      "ImagePullBackOff: Back-off pulling image skerry:9",
    ],
    [
      "was killed for memory and waits to be restarted",
      {
        phase: "Running",
        containerStatuses: [
          {
            restartCount: 3,
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { reason: "OOMKilled" } },
          },
        ],
      },
      "pending",
      "OOMKilled: its container needed more memory than its limit and was restarted 3 times",
    ],
    [
      "was evicted",
      { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." },
      "failed",
      "Evicted: The node was low on resource: memory.",
    ],
    [
      "is on a machine that is not heard of any more",
      {
        phase: "Running",
        conditions: [
          {
            type: "DisruptionTarget",
            status: "True",
            reason: "DeletionByTaintManager",
            message: "Taint manager: deleting due to NoExecute taint",
          },
        ],
      },
      "running",
      "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint",
    ],
    ["has ended", { phase: "Succeeded" }, "failed", undefined],
    ["has no status yet", {}, "pending", undefined],
  ])("that %s says so in the cluster's words", (_, status, state, trouble) => {
    expect(pod(status)).toEqual({ name: "pod-1", state, trouble, createdAt: Date.parse("2026-01-01T00:00:00Z") });
  });

  it("is about to end once it is deleted", () => {
    expect(pod({ phase: "Running" }, { deletionTimestamp: "2026-01-01T00:01:00Z" }).state).toBe("ending");
  });

  it("is gone when it is over, or a minute after its grace, though the cluster lists it still", () => {
    const gone = (phase: string, deletionTimestamp?: string, now = "2026-01-01T00:02:00Z"): boolean =>
      isGone({ metadata: { deletionTimestamp }, status: { phase } }, Date.parse(now));
    expect([gone("Running"), gone("Failed"), gone("Succeeded")]).toEqual([false, true, true]);
    expect(gone("Running", "2026-01-01T00:01:30Z")).toBe(false);
    expect(gone("Running", "2026-01-01T00:00:30Z")).toBe(true);
  });

  it("names its machine once the cluster does not hear of that, in the words of the machine", () => {
    const conditions = (ready: string, containersReady: string) => ({
      phase: "Running",
      conditions: [
        { type: "Ready", status: ready },
        { type: "ContainersReady", status: containersReady },
      ],
    });
    const machineOf = (status: object): string | undefined =>
      silentMachineOf(
        podShape.parse({
          metadata: { name: "pod-1", creationTimestamp: "2026-01-01T00:00:00Z" },
          spec: { nodeName: "machine-1" },
          status,
        }),
      );
    expect(machineOf(conditions("False", "True"))).toBe("machine-1");
    expect([machineOf(conditions("True", "True")), machineOf(conditions("False", "False"))]).toEqual([
      undefined,
      undefined,
    ]);
    const ready = (status: string) => ({
      status: { conditions: [{ type: "Ready", status, message: "Kubelet stopped posting node status." }] },
    });
    expect(machineTrouble("machine-1", ready("True"))).toBeUndefined();
    expect(machineTrouble("machine-1", ready("Unknown"))).toBe(
      "NodeNotReady: its machine machine-1: Kubelet stopped posting node status.",
    );
    expect(machineTrouble("machine-1", null)).toBe("NodeNotReady: its machine machine-1 was removed from the cluster");
  });

  it("says no more than a line can carry", () => {
    expect(pod(waitingFor("ErrImagePull", "x".repeat(10_000))).trouble).toHaveLength(300);
  });
});

describe("a quantity of Kubernetes", () => {
  it.each([
    ["2Gi", 2_147_483_648],
    ["512Mi", 536_870_912],
    ["1.5G", 1_500_000_000],
    ["500m", 0.5],
    ["4", 4],
    [2, 2],
    ["1e3", 1_000],
    ["much", undefined],
    ["2Qi", undefined],
    [undefined, undefined],
  ])("%s is %s", (text, value) => {
    expect(quantity(text)).toBe(value);
  });
});
