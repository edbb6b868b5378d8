import type { Role } from "../../../shared/api/v1/access/keys.ts";

export type Roles = readonly [Role, ...Role[]];

const EVERY_ROLE = ["viewer", "operator", "admin", "application"] as const;
const READERS = ["viewer", "operator", "admin"] as const;
const OPERATORS = ["operator", "admin"] as const;
const ADMINS = ["admin"] as const;
const INVOKERS = ["operator", "admin", "application"] as const;

/** Everything that a caller may do through the API, and the roles that may do it. Nobody may do anything else. */
export const ACTIONS = {
  /** Who the caller is. */
  "self.read": EVERY_ROLE,
  /** Sessions in a browser with the caller's own rights. */
  "self.sessions": EVERY_ROLE,
  /** Models, versions and where they run, but not their bytes. An application: of the models that its key names. */
  "models.read": EVERY_ROLE,
  /** Deployments, their placements, endpoints and rollouts. An application: of the models that its key names. */
  "deployments.read": EVERY_ROLE,
  "models.invoke": INVOKERS,
  /** The bytes of a version. */
  "artifacts.read": READERS,
  /** Nodes, pools, join tokens without their secrets, explanations and what-if plans. */
  "fleet.read": READERS,
  "events.read": READERS,
  "metrics.read": READERS,
  /** Models, labels, aliases, versions and the bytes of uploads. */
  "models.write": OPERATORS,
  "deployments.write": OPERATORS,
  "rollouts.write": OPERATORS,
  "pools.write": OPERATORS,
  /** Labels, site, cordon and drain. */
  "nodes.write": OPERATORS,
  "nodes.revoke": OPERATORS,
  /** Approve or reject nodes that wait. */
  "nodes.approve": OPERATORS,
  "join-tokens.write": OPERATORS,
  /** Tokens for machines that take the place of nodes: such a machine gets what the node gets. */
  "nodes.replace": ADMINS,
  /** Models and versions with their bytes: nothing brings them back. */
  "models.delete": ADMINS,
  "keys.read": ADMINS,
  "keys.write": ADMINS,
  "audit.read": ADMINS,
} as const satisfies Readonly<Record<string, Roles>>;

export type Action = keyof typeof ACTIONS;

/** The roles that may do it, for documents and messages. */
export const rolesOf = (action: Action): Roles => ACTIONS[action];
