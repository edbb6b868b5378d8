import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll } from "@jest/globals";
import { ObjectStore } from "../../control-plane/adapters/artifacts/s3/object-store.ts";
import { describeArtifactStore } from "../support/artifacts/store-contract.ts";
import { S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";

let server: S3Server;
let directory: string;
let prefix = 0;
let opened = 0;

beforeAll(async () => {
  Object.assign(process.env, S3_CREDENTIALS);
  directory = await mkdtemp(path.join(tmpdir(), "skerry-object-store-"));
  server = await S3Server.start();
}, 30_000);
afterAll(async () => {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

describeArtifactStore("in a bucket", {
  open: () =>
    ObjectStore.open(server.settings(`skerry/${prefix}/`), { scratch: path.join(directory, String((opened += 1))) }),
  empty: async () => void (prefix += 1),
  damage: (sha256, bytes) => writeFile(server.fileOf(`skerry/${prefix}/files/${sha256}`), bytes),
});
