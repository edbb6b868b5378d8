import { stat } from "node:fs/promises";
import { serverMetadata } from "../../shared/api/v1/inference.ts";
import { whoami } from "../../shared/api/v1/access/keys.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { VERSION } from "../../shared/base/version.ts";
import type { ApiClient, ApiResponse } from "../api/client.ts";
import { configPath, readConfig } from "../config/config-file.ts";
import { isCliFailure } from "../failure.ts";
import type { CommandContext } from "../run.ts";
import { type Finding, good } from "./finding.ts";

/** Clocks further apart than this make ages and certificates look wrong. */
const CLOCK_SKEW_MS = 30_000;

export interface ClientFindings {
  readonly findings: readonly Finding[];
  /** A server that answers and a key that it takes; undefined: there is no use in asking it more. */
  readonly api: ApiClient | undefined;
}

/** Whether this tool can speak to its server, and as whom. */
export async function examineClient(run: CommandContext): Promise<ClientFindings> {
  const configuration = await examineConfiguration(run);
  if (configuration.some(({ level }) => level === "bad")) return { findings: configuration, api: undefined };
  const api = await run.api().catch((error: unknown) => failureOf("which server", error));
  if ("level" in api) return { findings: [...configuration, api], api: undefined };
  const { target } = api;
  const server = good("client", "which server", `${target.server}, ${target.source}`);
  const answered = await api.get("/v2").catch((error: unknown) => failureOf("the server answers", error));
  if ("level" in answered) return { findings: [...configuration, server, answered], api: undefined };
  const key = await examineKey(api);
  return {
    findings: [...configuration, server, ...examineAnswer(answered), key],
    api: key.level === "good" ? api : undefined,
  };
}

async function examineConfiguration(run: CommandContext): Promise<readonly Finding[]> {
  const path = configPath(run.processEnv.env);
  const what = "the file of contexts";
  const config = await readConfig(path).catch((error: unknown) => failureOf(what, error));
  if ("level" in config) return [config];
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [good("client", what, `${path} is not there: no context is kept`)];
  const others = found.mode & 0o077;
  if (others !== 0)
    return [
      {
        about: "client",
        level: "warning",
        what,
        how: `${path} can be read by other users of this machine, and it holds keys`,
        fix: `chmod 600 ${path}`,
      },
    ];
  return [good("client", what, `${path}, readable by its owner alone`)];
}

function examineAnswer({ body, headers }: ApiResponse): readonly Finding[] {
  const version = serverMetadata.safeParse(body).data?.version;
  const findings: Finding[] = [];
  if (version === undefined)
    findings.push({
      about: "client",
      level: "bad",
      what: "the server answers",
      how: "something answers there, but it is not Skerry",
      fix: "check the address with `skerry context`; a proxy in between must pass /v2 and /api/v1 on",
    });
  else if (version === VERSION) findings.push(good("client", "the server answers", `version ${version}, as this tool`));
  else
    findings.push({
      about: "client",
      level: "warning",
      what: "the server answers",
      how: `version ${version}, and this tool is ${VERSION}`,
      fix: "use a tool of the server's version",
    });
  const serverTime = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(serverTime)) return findings;
  const skewMs = Math.abs(Date.now() - serverTime);
  if (skewMs <= CLOCK_SKEW_MS)
    return [...findings, good("client", "clocks", "this machine's agrees with the server's")];
  return [
    ...findings,
    {
      about: "client",
      level: "warning",
      what: "clocks",
      how: `this machine's and the server's are ${Math.round(skewMs / 1_000)} s apart`,
      fix: "let both follow a time server, e.g. with systemd-timesyncd or chrony",
    },
  ];
}

async function examineKey(api: ApiClient): Promise<Finding> {
  const what = "the key";
  if (api.target.apiKey === undefined)
    return {
      about: "client",
      level: "bad",
      what,
      how: `none is known for ${api.target.server}`,
      fix: "`skerry login`, or set SKERRY_API_KEY",
    };
  try {
    const who = whoami.safeParse((await api.get("/api/v1/whoami")).body).data;
    return good("client", what, who === undefined ? "the server takes it" : `${who.name}, ${who.role}`);
  } catch (error) {
    return failureOf(what, error);
  }
}

function failureOf(what: string, error: unknown): Finding {
  if (!isCliFailure(error)) return { about: "client", level: "bad", what, how: messageOf(error) };
  const { parts } = error;
  return { about: "client", level: "bad", what, how: [parts.what, ...(parts.why ?? [])].join(": "), fix: parts.fix };
}
