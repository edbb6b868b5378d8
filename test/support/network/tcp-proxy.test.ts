import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { until } from "../processes/skerry-process.ts";
import { TcpProxy } from "./tcp-proxy.ts";

let proxy: TcpProxy;
let server: Server;
/** What the server got, connection by connection, and how each ended. */
let served: { socket: Socket; text: string; end: "open" | "fin" | "reset" }[];
let clients: Socket[];

beforeEach(async () => {
  served = [];
  clients = [];
  server = createServer((socket) => {
    const entry: (typeof served)[number] = { socket, text: "", end: "open" };
    served.push(entry);
    socket.on("data", (bytes: Buffer) => (entry.text += bytes.toString("latin1")));
    socket.on("end", () => (entry.end = "fin"));
    socket.on("error", () => (entry.end = "reset"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await TcpProxy.start();
  proxy.pointAt((server.address() as AddressInfo).port);
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await proxy.stop();
  await new Promise((resolve) => server.close(resolve));
});

/** Says hello through the proxy, and is answered. */
async function talk(hello = "hello"): Promise<{ client: Socket; heard: () => string; isClosed: () => boolean }> {
  let text = "";
  const client = connect({ port: proxy.port, host: "127.0.0.1" });
  clients.push(client);
  client.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  client.on("error", () => undefined);
  client.write(hello);
  return { client, heard: () => text, isClosed: () => client.destroyed };
}

const serverHears = (text: string): Promise<true> => until(`the server hears ${text}`, () => served[0]?.text === text);

/** A connection of its own through the proxy and back: by then every byte sent before has had its chance to pass. */
async function roundTrip(): Promise<void> {
  const index = served.length;
  const { heard, client } = await talk("other");
  await until("the other connection is heard", () => served[index]?.text === "other");
  served[index]?.socket.write("back");
  await until("the other connection is answered", () => heard() === "back");
  client.destroy();
}

describe("the TCP proxy", () => {
  it("passes bytes both ways and counts them", async () => {
    const { heard } = await talk();
    await serverHears("hello");
    served[0]?.socket.write("good day");
    await until("the answer came", () => heard() === "good day");
    expect(proxy.counters).toEqual({ accepted: 1, open: 1, bytesUp: 5, bytesDown: 8 });
  });

  it("keeps bytes and the end of a broken link from the other side, and delivers them when it works again", async () => {
    const { client, heard } = await talk();
    await serverHears("hello");
    proxy.break({ blackhole: "both" }, "hello");
    client.end(" again");
    served[0]?.socket.write("unheard");
    await roundTrip();
    expect([served[0]?.text, served[0]?.end, heard()]).toEqual(["hello", "open", ""]);
    proxy.heal();
    await serverHears("hello again");
    await until("the end arrived", () => served[0]?.end === "fin");
    expect(heard()).toBe("unheard");
  });

  it("breaks one direction only", async () => {
    const { client, heard } = await talk();
    await serverHears("hello");
    proxy.break({ blackhole: "down" }, "hello");
    client.write("!");
    served[0]?.socket.write("unheard");
    await serverHears("hello!");
    await roundTrip();
    expect(heard()).toBe("");
  });

  it("breaks connections that come later, by their first bytes", async () => {
    proxy.break({ blackhole: "both" }, "hello");
    const { client } = await talk();
    await until("the connection stands", () => served.length === 1);
    await roundTrip();
    client.write("?");
    await roundTrip();
    expect(served[0]?.text).toBe("");
  });

  it("delays bytes and keeps their order", async () => {
    const { client } = await talk();
    await serverHears("hello");
    proxy.break({ delayMs: 80 });
    const sentAt = performance.now();
    client.write("1");
    await roundTrip();
    client.write("2");
    await serverHears("hello12");
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(79);
  });

  it("resets both ends of a connection that is cut", async () => {
    const { isClosed } = await talk();
    await serverHears("hello");
    proxy.cut("hello");
    await until("the link is forgotten", () => proxy.counters.open === 0);
    await until("the dialler knows", isClosed);
    await until("the server knows", () => served[0]?.end !== "open");
    expect(served[0]?.end).toBe("reset");
  });
});
