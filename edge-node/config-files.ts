import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf } from "../shared/base/errors.ts";
import { type JoinToken, parseJoinToken } from "../shared/protocol/proofs.ts";
import { readSigningKeys } from "./adapters/filesystem/signing-keys.ts";
import { readStreamsFile, type StreamsFile } from "./adapters/streams/streams-file.ts";
import type { TrustedKeys } from "./core/placements/trust.ts";

/** Settings that name a file, read at the start. Each adds its complaint to `complaints` and returns undefined then. */

export function readToken(env: NodeJS.ProcessEnv, complaints: string[]): JoinToken | undefined {
  const file = env["SKERRY_JOIN_TOKEN_FILE"];
  let text = env["SKERRY_JOIN_TOKEN"];
  try {
    text ??= file === undefined ? undefined : readFileSync(file, "utf8");
  } catch (error) {
    complaints.push(`  SKERRY_JOIN_TOKEN_FILE: ${messageOf(error)}`);
  }
  if (text === undefined || text.trim() === "") return undefined;
  const token = parseJoinToken(text);
  if (!token)
    complaints.push(
      "  SKERRY_JOIN_TOKEN: not a join token. One looks like skj1.<pin>.<key set>.<id>.<secret>, on one line.",
    );
  return token;
}

export function readKeys(env: NodeJS.ProcessEnv, complaints: string[]): TrustedKeys | undefined {
  const file = env["SKERRY_SIGNING_KEYS_FILE"];
  if (file === undefined || file === "") return undefined;
  try {
    return readSigningKeys(file);
  } catch (error) {
    complaints.push(`  SKERRY_SIGNING_KEYS_FILE: ${messageOf(error)}`);
    return undefined;
  }
}

export function readStreams(env: NodeJS.ProcessEnv, complaints: string[]): StreamsFile | undefined {
  const file = env["SKERRY_STREAMS_FILE"];
  if (file === undefined || file === "") return undefined;
  try {
    return readStreamsFile(file);
  } catch (error) {
    complaints.push(`  SKERRY_STREAMS_FILE: ${messageOf(error)}`);
    return undefined;
  }
}

export function readAuthorities(env: NodeJS.ProcessEnv, complaints: string[]): string | undefined {
  const file = env["SKERRY_CA_FILE"];
  if (file === undefined || file === "") return undefined;
  try {
    const text = readFileSync(file, "utf8");
    new X509Certificate(text);
    return text;
  } catch (error) {
    complaints.push(`  SKERRY_CA_FILE: ${file} holds no certificates in PEM: ${messageOf(error)}`);
    return undefined;
  }
}
