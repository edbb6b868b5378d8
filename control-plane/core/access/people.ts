import type { Role } from "../../../shared/api/v1/access/keys.ts";

/** Who is in a group of the identity provider has a role here; an application also has the models that it may see and call. */
export interface GroupRule {
  /** `*`: everybody who can log in there. */
  readonly group: string;
  readonly role: Role;
  readonly models: readonly string[];
}

/** What a person may do, by the first rule whose group the person is in; undefined: nothing at all. */
export function rightsOf(
  rules: readonly GroupRule[],
  groups: readonly string[],
): Pick<GroupRule, "role" | "models"> | undefined {
  const rule = rules.find(({ group }) => group === "*" || groups.includes(group));
  return rule && { role: rule.role, models: rule.models };
}
