import { KubernetesApi } from "../../../../control-plane/adapters/kubernetes/api-client.ts";
import { defaultCredentials } from "../../../../control-plane/adapters/kubernetes/credentials.ts";
import { CustomResourceClient } from "../../../../control-plane/adapters/kubernetes/custom-resource-client.ts";
import { ResourceController } from "../../../../control-plane/app/kubernetes/resource-controller.ts";
import { StatusWriter } from "../../../../control-plane/app/kubernetes/status-writer.ts";
import { statusIn } from "../../../../control-plane/core/kubernetes/model-deployment.ts";
import { FINALIZER } from "../../../../control-plane/ports/cloud/custom-resources.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { shownStatus } from "./shown-status.ts";

/** A controller that shows a status, with the client of the control plane: a process of its own, for the namespace that is named. */
const namespace = process.argv[2] ?? "default";
const cluster = new CustomResourceClient(new KubernetesApi(await defaultCredentials()), {
  namespace,
  now: () => Date.now(),
});
const writer = new StatusWriter("ModelDeployment", { cluster, clock: systemClock, statusIn });
const controller = new ResourceController(
  {
    kind: "ModelDeployment",
    async reconcile(name, resources) {
      const object = resources.get(name);
      if (!object) return "done";
      const kept = object.metadata.finalizers.includes(FINALIZER)
        ? object
        : await cluster.setFinalizer("ModelDeployment", object, { isSet: true });
      if (!kept) return "done";
      resources.put(kept);
      return writer.write(kept, shownStatus(kept), resources);
    },
    follow: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
  },
  { cluster, clock: systemClock, random: systemRandom, logger: silentLogger },
);
controller.start();
console.log("started");
