/** A person as the identity provider vouches for it, in a token that was verified. */
export interface VouchedPerson {
  /** Of the provider: stable, and not for display. */
  readonly issuer: string;
  readonly subject: string;
  /** For display: anything. */
  readonly name: string;
  readonly groups: readonly string[];
}

/** What the browser keeps between the begin of a login and its end. */
export interface LoginAttempt {
  readonly state: string;
  readonly nonce: string;
  /** Of PKCE. */
  readonly verifier: string;
}

export interface DeviceLogin {
  readonly deviceCode: string;
  readonly userCode: string;
  /** The page where a person enters the code, and the same with the code in it; null: the provider has none. */
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  readonly expiresInSeconds: number;
  /** How long to wait between two looks. */
  readonly intervalSeconds: number;
}

export type DeviceOutcome =
  | { readonly kind: "done"; readonly person: VouchedPerson }
  | { readonly kind: "pending"; readonly slowDown: boolean };

/**
 * Where people log in. Everything throws `IDENTITY_PROVIDER_UNAVAILABLE` when the provider does not answer or its answer
 * makes no sense, and `UNAUTHENTICATED` when it, or the check of its token, refuses the person.
 */
export interface IdentityProvider {
  readonly issuer: string;
  /** Where to send the browser. */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: LoginAttempt }>;
  /** `callback`: the address by which the browser came back, with its query. */
  finish(callback: URL, attempt: LoginAttempt): Promise<VouchedPerson>;
  beginDevice(): Promise<DeviceLogin>;
  /** One look. */
  finishDevice(deviceCode: string): Promise<DeviceOutcome>;
}
