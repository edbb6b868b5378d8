import type { Duplex } from "node:stream";

/** Answers an upgrade request in plain HTTP. `status`: `503 Service Unavailable`; `headers` end each in CRLF. */
export function refuseUpgrade(socket: Duplex, status: string, headers = ""): void {
  socket.once("finish", () => socket.destroy()); // the other side may never close
  socket.end(`HTTP/1.1 ${status}\r\n${headers}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}
