import { digestOf } from "../../../shared/base/digest.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { type GroupRule, rightsOf } from "../../core/access/people.ts";
import type { Requester } from "../../ports/access/audit.ts";
import type {
  DeviceLogin,
  IdentityProvider,
  LoginAttempt,
  VouchedPerson,
} from "../../ports/access/identity-provider.ts";
import type { LoginSessions, OpenedSession } from "./login-sessions.ts";

const MAX_NAME = 100;

/** Logs people in by an identity provider: what they may do follows from their groups there. */
export class People {
  readonly #provider: IdentityProvider;
  readonly #rules: readonly GroupRule[];
  readonly #logins: Pick<LoginSessions, "openForPerson">;

  constructor(parts: {
    provider: IdentityProvider;
    rules: readonly GroupRule[];
    logins: Pick<LoginSessions, "openForPerson">;
  }) {
    this.#provider = parts.provider;
    this.#rules = parts.rules;
    this.#logins = parts.logins;
  }

  get issuer(): string {
    return this.#provider.issuer;
  }

  begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: LoginAttempt }> {
    return this.#provider.begin(redirectUri);
  }

  /** Throws `FORBIDDEN` for a person in no group that has a role here, and what `IdentityProvider` throws. */
  async finish(callback: URL, attempt: LoginAttempt, from: Requester): Promise<OpenedSession> {
    return this.#open(await this.#provider.finish(callback, attempt), from);
  }

  beginDevice(): Promise<DeviceLogin> {
    return this.#provider.beginDevice();
  }

  /** One look; false when the person has not answered yet, and how to go on then. */
  async finishDevice(
    deviceCode: string,
    from: Requester,
  ): Promise<OpenedSession | { readonly isPending: true; readonly slowDown: boolean }> {
    const outcome = await this.#provider.finishDevice(deviceCode);
    if (outcome.kind === "pending") return { isPending: true, slowDown: outcome.slowDown };
    return this.#open(outcome.person, from);
  }

  async #open(person: VouchedPerson, from: Requester): Promise<OpenedSession> {
    const rights = rightsOf(this.#rules, person.groups);
    const name = nameOf(person);
    if (!rights)
      throw new SkerryError("FORBIDDEN", `${name} is in no group that has a role here: an admin gives roles to groups`);
    return this.#logins.openForPerson({ id: idOf(person), name, ...rights }, from);
  }
}

/** Stable, also when the person is renamed. */
const idOf = ({ issuer, subject }: VouchedPerson): string =>
  `oidc_${digestOf(JSON.stringify([issuer, subject])).slice("sha256:".length, "sha256:".length + 24)}`;

/** No key has a name with a colon: nobody is taken for a key by the name that the provider gives. */
const nameOf = ({ name, subject }: VouchedPerson): string =>
  `oidc:${(name === "" ? subject : name).replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "?").slice(0, MAX_NAME)}`;
