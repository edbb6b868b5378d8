import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { Aedes } from "aedes";
import mqtt, { type MqttClient } from "mqtt";

interface Options {
  /** Who may connect; undefined: everybody. */
  readonly users?: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  /** Filters that it grants to nobody. */
  readonly refusesFilter?: string;
}

export interface Published {
  readonly topic: string;
  readonly body: unknown;
}

/** A real broker of MQTT 3.1.1 in this process. Sessions live as long as the object, also over `cut` and `stop`. */
export class MqttBroker {
  readonly #options: Options;
  readonly #sockets = new Set<Socket>();
  #broker: Aedes | undefined;
  #server: Server | undefined;
  #port = 0;
  #clients: MqttClient[] = [];

  constructor(options: Options = {}) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? "mqtt" : "mqtts"}://127.0.0.1:${this.#port}`;
  }

  /** Ids of the clients that are connected. */
  readonly connected = new Set<string>();

  /** Again at the same port after `stop`. */
  async start(): Promise<void> {
    this.#broker ??= await this.#made();
    const broker = this.#broker;
    const accept = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
      broker.handle(socket);
    };
    const { tls } = this.#options;
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    this.#server = server;
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  /** Every connection breaks; others are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nobody can connect until `start`. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    this.cut();
    await closed;
  }

  /** Ends all of it. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
    this.#clients = [];
    await this.stop();
    const broker = this.#broker;
    if (broker !== undefined) await new Promise<void>((resolve) => broker.close(() => resolve()));
  }

  /** A client beside the node. */
  async client(options: { readonly username?: string; readonly password?: string } = {}): Promise<MqttClient> {
    const client = await mqtt.connectAsync(this.url, { ...options, reconnectPeriod: 50, rejectUnauthorized: false });
    client.on("error", () => undefined);
    this.#clients.push(client);
    return client;
  }

  /** What is published to the filter from now on. */
  async listen(filter: string): Promise<readonly Published[]> {
    const heard: Published[] = [];
    const client = await this.client();
    client.on("message", (topic, payload) => heard.push({ topic, body: JSON.parse(payload.toString()) }));
    await client.subscribeAsync(filter, { qos: 1 });
    return heard;
  }

  async #made(): Promise<Aedes> {
    const { users, refusesFilter } = this.#options;
    const broker = await Aedes.createBroker({ queueLimit: 100_000, concurrency: 1_000 });
    broker.on("clientReady", ({ id }) => this.connected.add(id));
    broker.on("clientDisconnect", ({ id }) => this.connected.delete(id));
    if (users !== undefined)
      broker.authenticate = (_client, username, password, done) =>
        done(null, username !== undefined && users[username] === password?.toString());
    // MQTT demands that a broker marks what it sends again; this one does not (findings/aedes-redelivers-without-dup.sh).
    const sent = new Set<string>();
    broker.authorizeForward = (client, packet) => {
      const message = `${client.id} ${packet.brokerId} ${packet.brokerCounter}`;
      if (sent.has(message)) packet.dup = true;
      sent.add(message);
      return packet;
    };
    broker.authorizeSubscribe = (_client, subscription, done) =>
      done(null, subscription.topic === refusesFilter ? null : subscription);
    return broker;
  }
}
