import { describe, expect, it } from "@jest/globals";
import { ResourceController } from "../../../../../control-plane/app/kubernetes/resource-controller.ts";
import type { CustomResources } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Logger } from "../../../../../shared/base/logging/logger.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const MINUTE_MS = 60_000;
const resource = (name: string): Resource => ({
  metadata: { name, namespace: "skerry", uid: `uid-${name}`, resourceVersion: "1", generation: 1, finalizers: [] },
});

/** A controller of three objects, none of which can be carried out while `refusal` is set. */
async function rig() {
  const clock = new TestClock();
  const lines: string[] = [];
  const state: { refusal: SkerryError | undefined } = { refusal: undefined };
  const tries = { count: 0 };
  const logger: Logger = {
    ...silentLogger,
    warn: (_, message) => void lines.push(String(message)),
    info: (_, message) => void lines.push(String(message)),
  };
  const unused = () => Promise.reject(new Error("not used"));
  const cluster: CustomResources = {
    namespace: "skerry",
    list: async () => ({ resources: ["a", "b", "c"].map(resource), resourceVersion: "1" }),
    async *watch(_kind, _after, signal) {
      let isOver = false;
      signal.addEventListener("abort", () => (isOver = true));
      // Bookmarks, as a server sends them: a silent watch is a dead one.
      while (!isOver) {
        await new Promise<void>((resolve) => {
          const cancel = clock.after(MINUTE_MS, resolve);
          signal.addEventListener("abort", () => (cancel(), resolve()), { once: true });
        });
        if (!isOver) yield { type: "bookmark", resourceVersion: "1" };
      }
    },
    create: unused,
    remove: unused,
    setFinalizer: unused,
    writeStatus: unused,
    record: unused,
  };
  const controller = new ResourceController(
    {
      kind: "Model",
      async reconcile() {
        tries.count += 1;
        if (state.refusal) throw state.refusal;
        return "done";
      },
      follow: (_, signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    },
    { cluster, clock, random: seededRandom(1), logger },
  );
  controller.start();
  await clock.advance(1_000);
  return { clock, lines, state, tries, controller };
}

const BROKEN = "a custom resource could not be carried out; it is tried again";
const MENDED = "custom resources are carried out again";

describe("custom resources that cannot be carried out", () => {
  it("are one line in the log for each outage, and one when it ends", async () => {
    const { clock, lines, state, controller } = await rig();
    for (let outage = 0; outage < 2; outage += 1) {
      state.refusal = new SkerryError("CLUSTER_UNAVAILABLE", "forbidden");
      controller.resync();
      await clock.advance(MINUTE_MS);
      state.refusal = undefined;
      await clock.advance(MINUTE_MS);
    }
    expect(lines).toEqual([BROKEN, MENDED, BROKEN, MENDED]);
    await controller.stop();
  });

  it("are not tried again before the server said", async () => {
    const { clock, state, tries, controller } = await rig();
    state.refusal = new SkerryError("CLUSTER_UNAVAILABLE", "too many requests", { retryAfterMs: 30_000 });
    tries.count = 0;
    controller.resync();
    await clock.advance(29_000);
    expect(tries.count).toBe(3);
    await clock.advance(MINUTE_MS);
    expect(tries.count).toBeGreaterThan(3);
    await controller.stop();
  });
});
