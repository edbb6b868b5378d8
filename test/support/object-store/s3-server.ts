import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { BucketSettings } from "../../../control-plane/adapters/artifacts/s3/bucket.ts";
import { freePort, until } from "../processes/skerry-process.ts";

const ASSETS = path.resolve(import.meta.dirname, "../../object-store/assets");
const [, VERSION = ""] = /versity\/versitygw v([\d.]+)/.exec(readFileSync(path.join(ASSETS, "go.mod"), "utf8")) ?? [];
const FOLDER =
  process.env["SKERRY_S3_ASSETS"] ??
  path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "skerry", `versitygw-${VERSION}`);
export const BUCKET = "models";

/** The credentials of the test's bucket, as a control plane has them in its environment. */
export const S3_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "skerry-test",
  AWS_SECRET_ACCESS_KEY: "secret-of-the-test",
} as const;

/** A real S3 server on loopback, with one bucket. */
export class S3Server {
  readonly port: number;
  readonly #directory: string;
  readonly #client: S3Client;
  #child: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
    this.#client = new S3Client({
      endpoint: this.url,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: {
        accessKeyId: S3_CREDENTIALS.AWS_ACCESS_KEY_ID,
        secretAccessKey: S3_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
      },
    });
  }

  /** Throws, saying how to get it, when the program is not there. */
  static async start(): Promise<S3Server> {
    if (!existsSync(path.join(FOLDER, "versitygw")))
      throw new Error(
        `no S3 server in ${FOLDER}: run test/object-store/assets/build.sh (Go, 2 minutes), or set SKERRY_S3_ASSETS`,
      );
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-s3-"));
    for (const name of ["data", "metadata"]) await mkdir(path.join(directory, name));
    const server = new S3Server(directory, await freePort());
    await server.resume();
    await server.#client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The file that an object of the bucket is, for a test that damages it. */
  fileOf(key: string): string {
    return path.join(this.#directory, "data", BUCKET, key);
  }

  /** A prefix of the bucket, reached through `port`. */
  settings(prefix: string, port = this.port): BucketSettings {
    return { bucket: BUCKET, prefix, endpoint: `http://127.0.0.1:${port}`, region: "us-east-1" };
  }

  /** Begins an upload in parts that nobody goes on with. */
  async beginUpload(key: string): Promise<void> {
    await this.#client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: key }));
  }

  /** How many uploads in parts were begun and have not ended. */
  async unfinishedUploads(): Promise<number> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
    return Uploads.length;
  }

  /** As a power cut would. What it has acknowledged stays. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    this.#child = undefined;
  }

  /** Starts it on the same data and waits until it answers. No effect while it runs. */
  async resume(): Promise<void> {
    if (this.#child) return;
    const { AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret } = S3_CREDENTIALS;
    const at = (name: string): string => path.join(this.#directory, name);
    // Beside the files, because not every file system has extended attributes.
    const metadata = ["--sidecar", at("metadata")];
    this.#child = spawn(
      path.join(FOLDER, "versitygw"),
      ["--port", `127.0.0.1:${this.port}`, "--quiet", "--keep-alive", "posix", ...metadata, at("data")],
      { stdio: "ignore", env: { ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret } },
    );
    await until("the S3 server answers", async () => (await fetch(this.url).catch(() => undefined)) !== undefined);
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
