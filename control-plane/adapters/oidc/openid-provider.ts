import * as oidc from "openid-client";
import { z } from "zod";
import { SkerryError } from "../../../shared/base/errors.ts";
import type {
  DeviceLogin,
  DeviceOutcome,
  IdentityProvider,
  LoginAttempt,
  VouchedPerson,
} from "../../ports/access/identity-provider.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
/** The provider has so long for each answer, in seconds. */
const TIMEOUT_SECONDS = 10;
/** What the provider says of itself is read again after so long, in ms. */
const DISCOVERY_MS = 3_600_000;

export interface OpenIdSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined: the client has none. */
  readonly clientSecret: string | undefined;
  readonly scopes: string;
  readonly groupsClaim: string;
}

const names = z.union([z.string().transform((one) => [one]), z.array(z.string())]).catch([]);
const text = z.string().catch("");

/**
 * An OpenID Connect provider, by openid-client: authorization code with PKCE, state and nonce, and device codes. ID tokens are
 * verified with the keys that the provider shows at that moment.
 */
export class OpenIdProvider implements IdentityProvider {
  readonly issuer: string;
  readonly #settings: OpenIdSettings;
  readonly #now: () => number;
  #discovered: { readonly metadata: oidc.ServerMetadata; readonly at: number } | undefined;

  constructor(settings: OpenIdSettings, now: () => number) {
    this.issuer = settings.issuer;
    this.#settings = settings;
    this.#now = now;
  }

  begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: LoginAttempt }> {
    return this.#ask(async (configuration) => {
      const attempt = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
      };
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: this.#settings.scopes,
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, attempt };
    });
  }

  finish(callback: URL, { state, nonce, verifier }: LoginAttempt): Promise<VouchedPerson> {
    return this.#ask(async (configuration) => {
      const tokens = await oidc.authorizationCodeGrant(configuration, callback, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      return this.#personOf(tokens.claims());
    });
  }

  beginDevice(): Promise<DeviceLogin> {
    return this.#ask(async (configuration) => {
      const begun = await oidc.initiateDeviceAuthorization(configuration, { scope: this.#settings.scopes });
      return {
        deviceCode: begun.device_code,
        userCode: begun.user_code,
        verificationUri: begun.verification_uri,
        verificationUriComplete: begun.verification_uri_complete ?? null,
        expiresInSeconds: begun.expires_in,
        intervalSeconds: begun.interval ?? 5,
      };
    });
  }

  finishDevice(deviceCode: string): Promise<DeviceOutcome> {
    return this.#ask(async (configuration) => {
      try {
        const tokens = await oidc.genericGrantRequest(configuration, DEVICE_GRANT, { device_code: deviceCode });
        return { kind: "done", person: this.#personOf(tokens.claims()) };
      } catch (error) {
        const said = facts(error).error;
        if (said === "authorization_pending" || said === "slow_down")
          return { kind: "pending", slowDown: said === "slow_down" };
        throw error;
      }
    });
  }

  #personOf(claims: Readonly<Record<string, unknown>> | undefined): VouchedPerson {
    const subject = claims?.["sub"];
    if (claims === undefined || typeof subject !== "string") throw this.#refused("its answer has no ID token");
    return {
      issuer: this.issuer,
      subject,
      name: text.parse(claims["preferred_username"] ?? claims["email"] ?? claims["name"]),
      groups: names.parse(claims[this.#settings.groupsClaim]),
    };
  }

  async #ask<Answer>(question: (configuration: oidc.Configuration) => Promise<Answer>): Promise<Answer> {
    try {
      return await question(await this.#configuration());
    } catch (error) {
      throw this.#inWords(error);
    }
  }

  /** A new one for each question: the library keeps keys with it, for a minute also those that the provider has replaced. */
  async #configuration(): Promise<oidc.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings;
    const isPlain = issuer.startsWith("http:");
    const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret);
    if (!this.#discovered || this.#now() - this.#discovered.at >= DISCOVERY_MS) {
      const execute = isPlain ? [oidc.allowInsecureRequests] : [];
      const options = { timeout: TIMEOUT_SECONDS, execute };
      const found = await oidc.discovery(new URL(issuer), clientId, undefined, authentication, options);
      this.#discovered = { metadata: found.serverMetadata(), at: this.#now() };
    }
    const configuration = new oidc.Configuration({ ...this.#discovered.metadata }, clientId, undefined, authentication);
    configuration.timeout = TIMEOUT_SECONDS;
    // By default a token that came over TLS is taken without a look at its signature.
    oidc.enableNonRepudiationChecks(configuration);
    if (isPlain) oidc.allowInsecureRequests(configuration);
    return configuration;
  }

  #inWords(error: unknown): unknown {
    const { name, code, error: said, message } = facts(error);
    if (name === "SkerryError") return error;
    if (name === "AuthorizationResponseError") return this.#refused(said || message, error);
    if (name === "ResponseBodyError")
      return REFUSALS.has(said)
        ? this.#refused(said, error)
        : this.#unavailable(`it answered ${said || message}`, error);
    if (code.startsWith("OAUTH_JWT_") || code === "OAUTH_INVALID_RESPONSE" || code === "OAUTH_KEY_SELECTION_FAILED")
      return this.#refused(message, error);
    return this.#unavailable(message, error);
  }

  #refused(why: string, cause?: unknown): SkerryError {
    return new SkerryError("UNAUTHENTICATED", `the login at ${this.issuer} is not taken: ${why.slice(0, 200)}`, {
      cause,
    });
  }

  #unavailable(why: string, cause: unknown): SkerryError {
    return new SkerryError(
      "IDENTITY_PROVIDER_UNAVAILABLE",
      `nobody can log in at ${this.issuer} now: ${why.slice(0, 200)}`,
      { cause },
    );
  }
}

/** What a provider says of the person or the code; anything else it says is of this client. */
const REFUSALS: ReadonlySet<string> = new Set(["invalid_grant", "access_denied", "expired_token"]);

const errorFacts = z.object({ name: text, message: text, code: text, error: text }).catch({
  name: "",
  message: "it failed",
  code: "",
  error: "",
});
const facts = (error: unknown): z.infer<typeof errorFacts> => {
  const { name, message, code, error: said } = Object(error) as Record<string, unknown>;
  return errorFacts.parse({ name, message, code, error: said });
};
