import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { MAX_STREAM_ITEM_BYTES } from "../../../../shared/protocol/streams.ts";
import { PacketBound } from "./packet-bound.ts";

/**
 * Of a message, beside its payload: more than the longest topic with its length and the number of the message, 65,539 bytes. So a
 * message that is cut still has a payload that is larger than an item.
 */
const HEAD_BYTES = 65_600;
/** Most bytes of a packet from a broker. */
export const MAX_PACKET_BYTES = MAX_STREAM_ITEM_BYTES + HEAD_BYTES;

interface Wanted {
  /** `mqtt://HOST:PORT` or `mqtts://HOST:PORT`. */
  readonly url: string;
  /** MQTT 5: the broker was told the bound and has to keep it, and what is beside the payload has no bound of its own. */
  readonly knowsBound: boolean;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** A connection to a broker, of which the client of `mqtt` gathers no packet that is longer than `MAX_PACKET_BYTES`. */
export function dialBroker({ url, knowsBound, ...certificates }: Wanted): Socket {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket =
    protocol === "mqtts:"
      ? connectTls({
          host,
          port: Number(port || 8883),
          ...(isIP(host) === 0 && { servername: host }),
          ...certificates,
        })
      : connectTcp({ host, port: Number(port || 1883) });
  const bound = new PacketBound({ maxBytes: MAX_PACKET_BYTES, cutsMessages: !knowsBound });
  bound.on("error", (error) => socket.destroy(error));
  // The client reads by `pipe` and by nothing else, so the rest of the socket stays as it is.
  const pipe = socket.pipe.bind(socket);
  socket.pipe = (target, options) => pipe(bound).pipe(target, options);
  return socket;
}
