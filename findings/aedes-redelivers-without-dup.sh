#!/usr/bin/env bash
# Surprise: the MQTT broker aedes sends a QoS 1 message that was not acknowledged again when its client is back, as it must, but with the DUP
# flag at 0. MQTT 3.1.1 says that it MUST be 1 then (MQTT-3.3.1-1). A client that tells messages that came again from new ones of the
# same content by that flag takes every one of them for a new one.
#
# Seen with aedes 1.2.0 (Node 24.21.0), which keeps what is under way in memory, and a bare client that speaks by mqtt-packet 9.0.2: one
# client with a kept session gets a message, closes its socket without a PUBACK, connects again, and gets it anew. This script prints both
# packets, ends with 0 while the second one has the flag at 0, and with 1 as soon as it has it at 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund aedes@1.2.0 mqtt-packet@9.0.2
cat >again.mjs <<'JS'
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Aedes } from "aedes";
import packets from "mqtt-packet";

const broker = await Aedes.createBroker();
const server = createServer((socket) => broker.handle(socket)).listen(0, "127.0.0.1");
await once(server, "listening");

/** A session that is kept: what the broker sends, packet by packet. */
async function session() {
  const socket = connect(server.address().port, "127.0.0.1");
  const parser = packets.parser();
  const heard = [];
  const waiting = [];
  parser.on("packet", (packet) => (waiting.shift() ?? ((each) => heard.push(each)))(packet));
  socket.on("data", (bytes) => parser.parse(bytes));
  const send = (packet) => socket.write(packets.generate(packet));
  const next = () => (heard.length > 0 ? heard.shift() : new Promise((resolve) => waiting.push(resolve)));
  send({ cmd: "connect", clientId: "device", clean: false, keepalive: 60, protocolId: "MQTT", protocolVersion: 4 });
  const { sessionPresent } = await next();
  return { socket, send, next, sessionPresent };
}

const first = await session();
first.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "line/7", qos: 1 }] });
await first.next();
broker.publish({ cmd: "publish", topic: "line/7", payload: "42", qos: 1, retain: false, dup: false }, () => undefined);
const before = await first.next();
first.socket.destroy();
await once(broker, "clientDisconnect");

const second = await session();
const again = await second.next();
const words = ({ payload, qos, dup, messageId }) => `payload ${payload}, QoS ${qos}, DUP ${dup ? 1 : 0}, packet ${messageId}`;
console.log(`first:  ${words(before)}`);
console.log(`again:  ${words(again)} (session present: ${second.sessionPresent})`);
process.exit(String(again.payload) === "42" && again.qos === 1 && second.sessionPresent && !again.dup ? 0 : 1);
JS
node again.mjs
