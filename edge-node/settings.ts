import { availableParallelism, hostname } from "node:os";
import { z } from "zod";
import { bodiesMiB, bodyMiB, flag, httpUrl, logLevel, origins, port } from "../shared/config/setting-types.ts";
import { NODE_NAME } from "../shared/protocol/join-messages.ts";
import { MAX_ENGINES } from "../shared/protocol/messages/capabilities.ts";
import { type EngineSetting, parseEngine } from "../shared/text/engine-setting.ts";
import { DEFAULT_HOST_UID } from "./adapters/host-process/confinement/host-user.ts";

/** Every setting of the node, with the sentence that explains it. All come from the environment. */
export const settings = z.object({
  SKERRY_STATE_DIR: z.string().min(1).default(".skerry/node").describe("Folder for the node's identity and models."),
  SKERRY_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      "The control plane's http or https URL; needed for the first start. A node that has joined dials it when the URLs that it was given do not answer: set it when the control plane has moved.",
    ),
  SKERRY_CA_FILE: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File of the authorities by which the node verifies its control plane where its join token pins no key, PEM. Default: those of the machine, with NODE_EXTRA_CA_CERTS.",
    ),
  SKERRY_SIGNING_KEYS_FILE: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File of the public keys that sign versions, one a line: the node then runs nothing that none of them has signed, and no release that was withdrawn. Default: it runs what its control plane says.",
    ),
  SKERRY_JOIN_TOKEN: z
    .string()
    .optional()
    .describe(
      "The join token that `skerry token create` makes; needed for the first start, and to join again after a removal.",
    ),
  SKERRY_JOIN_TOKEN_FILE: z.string().optional().describe("A file with the join token, in place of SKERRY_JOIN_TOKEN."),
  SKERRY_JOIN_AGAIN: flag.describe(
    "1: join with the token although this folder has an identity, which is set aside; its models stay. Without effect once that token was used here.",
  ),
  SKERRY_POD_TOKEN_FILE: z
    .string()
    .optional()
    .describe(
      "In a Kubernetes pod: the projected service-account token (audience skerry-join), in place of a join token. The node is then a cloud node.",
    ),
  SKERRY_NODE_NAME: z
    .string()
    .regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens")
    .default(() => nameFromHost(hostname()))
    .describe("The node's name. Default: this machine's name."),
  SKERRY_NODE_KIND: z
    .enum(["edge", "cloud"])
    .default("edge")
    .describe("edge: a device; cloud: a pod of the cloud pool."),
  SKERRY_LOCAL_HOST: z.string().min(1).default("127.0.0.1").describe("Address on which the node's own /v2 listens."),
  SKERRY_LOCAL_PORT: port.default(7090).describe("Port on which the node's own /v2 listens; 0 for any free one."),
  SKERRY_GRPC_PORT: port
    .optional()
    .describe(
      "Port on which the node serves its models over gRPC, at SKERRY_LOCAL_HOST, usually 8081; 0 for any free one. Default: not served.",
    ),
  SKERRY_LOCAL_URL: httpUrl
    .refine((text) => text.length <= 256, "256 characters at most")
    .optional()
    .describe("Where others reach the node's own /v2, e.g. http://10.0.0.7:7090. Default: made of host and port."),
  SKERRY_LOCAL_NAMES: z
    .string()
    .default("")
    .transform(namesOrComplain)
    .describe(
      "Names, comma-separated, by which browsers and proxies ask for the node's page, its state and, where no key is needed, its /v2 and /v1; * for any. Addresses, localhost, this machine's name and the host of SKERRY_LOCAL_URL always count.",
    ),
  SKERRY_LOCAL_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      "A file with the SHA-256 of one key a line; callers of the node's own /v2 must send one, or an API key of the control plane.",
    ),
  SKERRY_API_KEYS_OFFLINE_HOURS: z.coerce
    .number()
    .int()
    .min(0)
    .max(8_760)
    .default(168)
    .describe(
      "Where the node's own /v2 asks for keys: how long it takes API keys of a control plane that is away. 0: it takes none, not even while it is there.",
    ),
  SKERRY_CORS_ORIGINS: origins.describe(
    "Origins whose pages may call the node's own /v2 from a browser, comma-separated, e.g. https://app.example; * for any. Default: none.",
  ),
  SKERRY_READY: z
    .enum(["all", "any"])
    .default("all")
    .describe("When /v2/health/ready says yes: all: every desired model is ready; any: at least one is."),
  SKERRY_BODY_MIB: bodyMiB,
  SKERRY_BODIES_MIB: bodiesMiB.describe("Request bodies that the node holds together, in MiB. Beyond it: 429."),
  SKERRY_TEXT_THREADS: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .default(() => Math.max(1, Math.floor(availableParallelism() / 2)))
    .describe(
      "Threads with which the host of a text model computes. More than the machine has free make it slower by far. Default: half of the processors.",
    ),
  SKERRY_ENGINES: z
    .string()
    .default("")
    .transform(enginesOrComplain)
    .describe(
      "Inference servers beside the node whose models it offers, separated by spaces: openai=URL or oip=URL, and behind it ,key-file=FILE for the key that the server asks for, ,slots=NUMBER for the requests that it runs at once and ,metrics=URL for metrics that are not at its /metrics. As an argument: --engine, once for each.",
    ),
  SKERRY_HOST_UID: z.coerce
    .number()
    .int()
    .min(0)
    .max(4_294_967_294)
    .default(DEFAULT_HOST_UID)
    .describe(
      "Where the node runs as root: user and group, by number, that its model hosts run as; no other program should have them. 0: they run as root.",
    ),
  SKERRY_STREAMS_FILE: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File of the sources that streams may read on this device and the sinks that they may send to, YAML. Default: none, so that no stream runs here.",
    ),
  SKERRY_LOG_LEVEL: logLevel,
  SKERRY_TRUSTED_NETWORK: flag.describe(
    "1: a control plane without TLS may be reached beyond loopback. Only on a network that nobody else can read.",
  ),
  SKERRY_EXIT_WITH_PARENT: flag.describe(
    "1: stop when standard input closes, so that a killed supervisor leaves nothing behind.",
  ),
});

const HOST_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/;

export type Settings = z.output<typeof settings>;
export type SettingName = keyof typeof settings.shape;

/** Name → sentence, for docs/nodes.md. */
export const SETTINGS: ReadonlyMap<string, string> = new Map(
  Object.entries(settings.shape).map(([name, { description = "" }]) => [name, description]),
);

function enginesOrComplain(text: string, context: z.RefinementCtx): readonly EngineSetting[] {
  const complain = (message: string): void => {
    context.addIssue({ code: "custom", message });
  };
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words.length > MAX_ENGINES) complain(`at most ${MAX_ENGINES} engines`);
  return words.flatMap((word, index) => {
    const found = parseEngine(word);
    if (!("fault" in found)) return [found];
    complain(`engine ${index + 1}: ${found.fault}`);
    return [];
  });
}

function namesOrComplain(text: string, context: z.RefinementCtx): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  const given = names.filter((name) => name !== "");
  const wrong = given.find((name) => name !== "*" && !HOST_NAME.test(name));
  if (wrong !== undefined)
    context.addIssue({
      code: "custom",
      message: `${wrong.slice(0, 100)} is no name of a host (without scheme and port)`,
    });
  return given;
}

/** A machine's name as a node's name: `Dock 7.local` becomes `dock-7`. */
function nameFromHost(host: string): string {
  const [first = ""] = host.toLowerCase().split(".");
  const words = first.match(/[a-z0-9]+/g) ?? ["node"];
  return words.join("-").slice(0, 63).replace(/-$/, "");
}
