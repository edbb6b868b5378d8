/** The parts of Node's HTTP objects that are used here: `shared/` imports no library of the network. */

export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpRequest {
  readonly headers: HttpHeaders;
  readonly complete: boolean;
  readonly readableLength: number;
  readonly socket: { destroy(): unknown };
  read(): unknown;
  resume(): unknown;
  on(event: "data", listener: (piece: Buffer) => void): unknown;
  on(event: "end" | "close" | "error", listener: () => void): unknown;
  once(event: "end" | "close", listener: () => void): unknown;
  off(event: "data", listener: (piece: Buffer) => void): unknown;
  off(event: "end" | "close" | "error", listener: () => void): unknown;
}

/** One header's value without spaces around it. Undefined when it is absent or was sent as a list. */
export function headerOf(headers: HttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : undefined;
}

/** The key of `Authorization: Bearer <key>`; the scheme in any case (RFC 9110, 11.1). */
export const bearerOf = (authorization: string | undefined): string | undefined =>
  /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? "")?.[1];
