import type { IncomingHttpHeaders } from "node:http";
import { cookieValue } from "./cookie-value.ts";
import type { LoginAttempt } from "../../../ports/access/identity-provider.ts";

/** A person at the provider's pages, in seconds. */
const LIFE_SECONDS = 600;
const MAX_HEADER = 8_192;
/** State, nonce, verifier and the path to return to. */
const VALUE = /^(?:[A-Za-z0-9_-]{16,200}\.){3}[A-Za-z0-9_-]{1,1400}$/;

export interface KeptAttempt extends LoginAttempt {
  /** A path of this control plane. */
  readonly returnTo: string;
}

/** What a browser keeps while its person is at the identity provider. `Lax`: it comes back from another site. */
export class AttemptCookie {
  readonly #name: string;
  readonly #attributes: string;

  constructor({ publicUrl }: { publicUrl: string }) {
    const isSecure = publicUrl.startsWith("https:");
    this.#name = isSecure ? "__Host-skerry_login" : "skerry_login";
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  }

  set({ state, nonce, verifier, returnTo }: KeptAttempt): string {
    const value = [state, nonce, verifier, Buffer.from(returnTo).toString("base64url")].join(".");
    return `${this.#name}=${value}; Max-Age=${LIFE_SECONDS}; ${this.#attributes}`;
  }

  clear(): string {
    return `${this.#name}=; Max-Age=0; ${this.#attributes}`;
  }

  /** Undefined when there is none that makes sense. */
  read({ cookie = "" }: Pick<IncomingHttpHeaders, "cookie">): KeptAttempt | undefined {
    const value = cookieValue(cookie, { name: this.#name, accepts: VALUE, maxLength: MAX_HEADER });
    const [state, nonce, verifier, encoded] = value?.split(".") ?? [];
    if (state === undefined || nonce === undefined || verifier === undefined || encoded === undefined) return undefined;
    const returnTo = Buffer.from(encoded, "base64url").toString();
    return RETURN_TO.test(returnTo) ? { state, nonce, verifier, returnTo } : undefined;
  }
}

/** A path of this origin: not `//host`, which is another one. */
export const RETURN_TO = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,999}$/;
