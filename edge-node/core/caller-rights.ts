/** What a caller asks of the node's own address. */
export type CallerAccess =
  /** To run a model. */
  | "invoke"
  /** To see the models that are here. */
  | "models"
  /** Figures and the page about the whole node. */
  | "node";

export type CallerRole = "viewer" | "operator" | "admin" | "application";

/** As the control plane has it for the same keys. */
const ALLOWED: Readonly<Record<CallerRole, readonly CallerAccess[]>> = {
  viewer: ["models", "node"],
  operator: ["invoke", "models", "node"],
  admin: ["invoke", "models", "node"],
  application: ["invoke", "models"],
};

export const mayCall = (role: CallerRole, access: CallerAccess): boolean => ALLOWED[role].includes(access);
