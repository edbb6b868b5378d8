import { SkerryError } from "../../../shared/base/errors.ts";
import type { Actor } from "../../ports/access/audit.ts";

interface Owned {
  /** In a sentence: `the deployment digits`. */
  readonly what: string;
  /** `ModelDeployment`. */
  readonly kind: string;
  /** Of the custom resource that declares it; null: the API does. */
  readonly namespace: string | null;
}

/** Throws `CONFLICT` when somebody else declares the object: then a change of it would be undone, or undo another. */
export function requireOwner({ what, kind, namespace }: Owned, actor: Actor): void {
  if (namespace === (actor.kubernetesNamespace ?? null)) return;
  throw new SkerryError(
    "CONFLICT",
    namespace === null
      ? `${what} is declared through the API: delete it there, or apply the very same spec to take it over`
      : `${what} is managed by Kubernetes: change its ${kind} in the namespace ${namespace} with kubectl`,
  );
}
