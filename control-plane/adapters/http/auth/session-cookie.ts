import type { IncomingHttpHeaders } from "node:http";
import { cookieValue } from "./cookie-value.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { CSRF_HEADER } from "../../../../shared/api/v1/access/login.ts";

/** Bytes of a Cookie header that are looked at: ours is among the first of any page's cookies. */
const MAX_HEADER = 4_096;
const VALUE = /^[A-Za-z0-9_-]{1,128}$/;

/** The cookie of a session: unreadable for scripts, and never sent along by pages of other sites. */
export class SessionCookie {
  readonly name: string;
  readonly #attributes: string;
  readonly #publicOrigin: string | undefined;

  /** `publicUrl`: where browsers reach the control plane. With https the cookie is for TLS and this host alone. */
  constructor({ publicUrl }: { publicUrl: string }) {
    const isSecure = publicUrl.startsWith("https:");
    this.name = isSecure ? "__Host-skerry" : "skerry_session";
    this.#attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
    this.#publicOrigin = URL.parse(publicUrl)?.origin;
  }

  /** For `Set-Cookie`. */
  set(value: string, lifeMs: number): string {
    return `${this.name}=${value}; Max-Age=${Math.max(1, Math.floor(lifeMs / 1_000))}; ${this.#attributes}`;
  }

  clear(): string {
    return `${this.name}=; Max-Age=0; ${this.#attributes}`;
  }

  /** The value in a request. */
  read({ cookie = "" }: Pick<IncomingHttpHeaders, "cookie">): string | undefined {
    return cookieValue(cookie, { name: this.name, accepts: VALUE, maxLength: MAX_HEADER });
  }

  /**
   * A page of another origin does not act by the cookie: SameSite keeps it from pages of other sites, this from those of
   * other ports and names of the same site. Programs send neither header. Throws `CSRF_REFUSED`.
   */
  refuseForeign(headers: Pick<IncomingHttpHeaders, "origin" | "host" | "sec-fetch-site">): void {
    const { origin, host } = headers;
    const site = headers["sec-fetch-site"];
    const isOwn = origin === undefined || origin === this.#publicOrigin || URL.parse(origin)?.host === host;
    if (isOwn && (site === undefined || site === "same-origin" || site === "none")) return;
    throw new SkerryError("CSRF_REFUSED", `a page of ${origin?.slice(0, 200) ?? "another origin"} sent this request`);
  }
}

/** Throws `CSRF_REFUSED` for a request by cookie that may change something and does not bring its token. */
export function requireCsrfToken(
  method: string | undefined,
  headers: Readonly<Record<string, unknown>>,
  csrfToken: string,
): void {
  if (method === "GET" || method === "HEAD" || headers[CSRF_HEADER] === csrfToken) return;
  throw new SkerryError("CSRF_REFUSED", "the header X-CSRF-Token is missing, or is not the token of this session");
}
