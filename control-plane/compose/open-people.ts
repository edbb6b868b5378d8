import type { Clock } from "../../shared/base/clock.ts";
import { messageOf } from "../../shared/base/errors.ts";
import type { LoginSessions } from "../app/access/login-sessions.ts";
import { People } from "../app/access/people.ts";
import type { Config } from "../config.ts";
import { settingsError } from "../settings/settings-error.ts";
import { readClientSecret } from "../settings/oidc-setting.ts";

/**
 * How people log in at the identity provider of the settings; undefined when there is none. The provider is first asked when
 * somebody logs in: without it the control plane starts and serves. Throws a `settingsError` when its secret cannot be read.
 */
export async function openPeople(
  { oidc }: Pick<Config, "oidc">,
  { logins, clock }: { readonly logins: LoginSessions; readonly clock: Clock },
): Promise<People | undefined> {
  if (oidc === undefined) return undefined;
  const { clientSecretFile: file, rules, ...settings } = oidc;
  const clientSecret =
    file === undefined
      ? undefined
      : await readClientSecret(file).catch((error: unknown) => {
          throw settingsError([`  SKERRY_OIDC_CLIENT_SECRET_FILE: ${messageOf(error)}.`]);
        });
  // Loaded when it is needed alone: most control planes have no provider.
  const { OpenIdProvider } = await import("../adapters/oidc/openid-provider.ts");
  const provider = new OpenIdProvider({ ...settings, clientSecret }, () => clock.now());
  return new People({ provider, rules, logins });
}
