import { isIP } from "node:net";
import { SkerryError } from "../../../shared/base/errors.ts";

/** What a `Host` header may end with. */
const PORT = /:\d{0,5}$/;

/**
 * By which names a browser may have come to this node. A page of another site can let its own name point at this machine
 * (DNS rebinding): the browser then takes the node for a part of that page, and neither `Origin` nor CORS protects what is
 * read. The name is still in `Host`. An address in digits is no name that somebody could point elsewhere, so all are taken.
 */
export class HostPolicy {
  readonly #names: ReadonlySet<string>;
  readonly #takesAny: boolean;

  /** `names`: beside `localhost`; `*` stands for any. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(normalized));
    this.#takesAny = this.#names.has("*");
  }

  /** Throws `HOST_REFUSED`. `host`: the header; browsers always send one, programs of HTTP/1.0 need not. */
  check(host: string | undefined): void {
    if (host === undefined || this.#takesAny) return;
    const name = normalized(host.replace(PORT, ""));
    if (isLiteral(name) || isOfThisMachine(name) || this.#names.has(name)) return;
    throw new SkerryError(
      "HOST_REFUSED",
      `this node is not known as ${name.slice(0, 200)}: ask it by its address, or list the name in SKERRY_LOCAL_NAMES`,
    );
  }
}

/** Names are compared without case and without the dot of the root. */
const normalized = (name: string): string => name.toLowerCase().replace(/\.$/, "");

const isLiteral = (name: string): boolean =>
  isIP(name) !== 0 || (name.startsWith("[") && name.endsWith("]") && isIP(name.slice(1, -1)) === 6);

/** RFC 6761 keeps these names for loopback: no server of names is asked for them. */
const isOfThisMachine = (name: string): boolean => name === "localhost" || name.endsWith(".localhost");
