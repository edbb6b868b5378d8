import type { Role } from "../../../shared/api/v1/access/keys.ts";
import { type Action, rolesOf } from "./actions.ts";

/** A deployment that a key names, and the model that it serves now. */
export interface GrantedDeployment {
  readonly name: string;
  readonly model: string;
}

/** Who asks, as far as a decision needs it. Of an application: what it may see; the other roles see all. */
export interface Principal {
  readonly role: Role;
  /** With all of their deployments. */
  readonly models: readonly string[];
  /** With their models, but not with other deployments of these. */
  readonly deployments: readonly GrantedDeployment[];
}

/** What an action is about. `model` of a deployment that does not exist is undefined. */
export type Resource =
  | { readonly kind: "model"; readonly name: string }
  | { readonly kind: "deployment"; readonly name: string; readonly model: string | undefined };

/** `forbidden`: the role may not do it to anything. `hidden`: the object is outside the scope, as if it did not exist. */
export type Decision = "allowed" | "forbidden" | "hidden";

/** The one decision about access. The role comes first: what it may not do is refused without a look at the object. */
export function decide(principal: Principal, action: Action, resource?: Resource): Decision {
  if (!rolesOf(action).includes(principal.role)) return "forbidden";
  return resource === undefined || isInScope(principal, resource) ? "allowed" : "hidden";
}

/** An application sees the objects that its key grants and no others; everybody else sees all. */
export function isInScope({ role, models, deployments }: Principal, resource: Resource): boolean {
  if (role !== "application") return true;
  switch (resource.kind) {
    case "model":
      return models.includes(resource.name) || deployments.some(({ model }) => model === resource.name);
    case "deployment":
      if (resource.model === undefined) return false;
      return models.includes(resource.model) || deployments.some(({ name }) => name === resource.name);
  }
}
