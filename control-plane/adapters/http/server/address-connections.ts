import type { Socket } from "node:net";

/** Counts the connections of each address, and ends those beyond the bound: nobody holds the connections of all. */
export class AddressConnections {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False: it is one too many, and not counted. The other end of the connection is its address: proxies are not looked through. */
  add(socket: Pick<Socket, "remoteAddress" | "once">): boolean {
    const address = socket.remoteAddress;
    if (address === undefined) return true; // it has gone already
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(address, count + 1);
    socket.once("close", () => {
      const left = (this.#counts.get(address) ?? 1) - 1;
      if (left === 0) this.#counts.delete(address);
      else this.#counts.set(address, left);
    });
    return true;
  }
}
