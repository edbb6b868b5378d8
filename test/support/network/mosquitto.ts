import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { eventually } from "../eventually.ts";
import { freePort } from "../processes/skerry-process.ts";

const PLACES = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
const TLS = path.join(import.meta.dirname, "tls");

/** The program of this machine. Undefined, with a line that says so, where there is none (`apt-get install mosquitto`). */
export function findMosquitto(): string | undefined {
  const found = PLACES.find((place) => existsSync(place));
  if (found === undefined) process.stderr.write("No mosquitto here: MQTT 5 is not tested against it.\n");
  return found;
}

/** Eclipse Mosquitto, which speaks MQTT 3.1.1 and 5, as a process of its own on loopback. What it has lies in memory. */
export class Mosquitto {
  readonly #program: string;
  readonly #hasTls: boolean;
  readonly #clients: MqttClient[] = [];
  #folder = "";
  #port = 0;
  #child: ChildProcess | undefined;

  constructor(program: string, { tls }: { readonly tls: boolean }) {
    this.#program = program;
    this.#hasTls = tls;
  }

  get url(): string {
    return `${this.#hasTls ? "mqtts" : "mqtt"}://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.#folder = await mkdtemp(path.join(tmpdir(), "skerry-mosquitto-"));
    this.#port = await freePort();
    const tls = [`certfile ${path.join(TLS, "server.pem")}`, `keyfile ${path.join(this.#folder, "server.key")}`];
    const lines = [
      `listener ${this.#port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence false",
      ...(this.#hasTls ? tls : []),
    ];
    const configuration = path.join(this.#folder, "mosquitto.conf");
    await writeFile(configuration, `${lines.join("\n")}\n`);
    if (this.#hasTls) await copyFile(path.join(TLS, "server.key"), path.join(this.#folder, "server.key"));
    // Started by root it becomes a user of its own before it reads its key.
    await chmod(this.#folder, 0o755);
    const child = spawn(this.#program, ["-c", configuration], { stdio: "ignore" });
    this.#child = child;
    await eventually("the broker takes connections", () => {
      if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
      return isOpen(this.#port);
    });
  }

  /** A client of MQTT 5 beside the node. */
  async client(): Promise<MqttClient> {
    const client = await mqtt.connectAsync(this.url, { protocolVersion: 5, rejectUnauthorized: false });
    client.on("error", () => undefined);
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
