import { z } from "zod";
import { isLoopback } from "../../../../shared/base/network/loopback.ts";
import { filterFault, templateFault } from "./topics.ts";

const MAX_TOPICS = 16;

const absolute = z
  .string()
  .max(4_096)
  .refine((path) => path.startsWith("/") && !path.includes("\0"), "an absolute path");
const textWith = (fault: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const message = fault(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

const broker = {
  url: z
    .url({ protocol: /^mqtts?$/, error: "mqtt://HOST:PORT or mqtts://HOST:PORT" })
    .max(2_048)
    .refine(
      (text) => /^mqtts?:\/\/[^/?#@]+\/?$/.test(text),
      "host and port alone: names and passwords go into username and passwordFile",
    ),
  version: z.enum(["3.1.1", "5"]).default("3.1.1"),
  username: z.string().min(1).max(256).optional(),
  passwordFile: absolute.optional(),
  caFile: absolute.optional(),
  certFile: absolute.optional(),
  keyFile: absolute.optional(),
  keepAliveSeconds: z.number().int().min(5).max(600).default(30),
  trustedNetwork: z.boolean().default(false),
};

interface Broker {
  readonly url: string;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly trustedNetwork: boolean;
}

/** Every mistake at the field that has it. */
function checkBroker(given: Broker, context: z.RefinementCtx): void {
  const complain = (field: keyof Broker, message: string): void => {
    context.addIssue({ code: "custom", path: [field], message });
  };
  const isPlain = given.url.startsWith("mqtt:");
  if (given.passwordFile !== undefined && given.username === undefined)
    complain("passwordFile", "a password goes with a username");
  if ((given.certFile === undefined) !== (given.keyFile === undefined))
    complain(given.certFile === undefined ? "certFile" : "keyFile", "certFile and keyFile go together");
  for (const field of ["caFile", "certFile", "keyFile"] as const)
    if (isPlain && given[field] !== undefined) complain(field, "certificates need mqtts:// in url");
  const host = URL.parse(given.url)?.hostname ?? "";
  if (isPlain && given.passwordFile !== undefined && !given.trustedNetwork && !isLoopback(host.replace(/^\[|\]$/g, "")))
    complain(
      "passwordFile",
      "the password would be readable on the way: use mqtts:// in url, or trustedNetwork: true on a network that nobody else can read",
    );
}

export const mqttSource = z
  .strictObject({
    ...broker,
    topics: z.array(textWith(filterFault)).min(1).max(MAX_TOPICS),
    format: z.enum(["json", "bytes"]).default("json"),
    key: z.enum(["none", "topic"]).default("none"),
    id: z
      .union([z.enum(["delivery", "payload"]), z.strictObject({ field: z.string().min(1).max(64) })])
      .default("delivery"),
    clientId: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, "1–128 visible ASCII characters")
      .optional(),
  })
  .superRefine(checkBroker);
export type MqttSourceSetting = z.infer<typeof mqttSource>;

export const mqttSink = z
  .strictObject({
    ...broker,
    topic: textWith(templateFault),
    retain: z.boolean().default(false),
    timeoutMs: z.number().int().min(100).max(120_000).default(10_000),
  })
  .superRefine(checkBroker);
export type MqttSinkSetting = z.infer<typeof mqttSink>;
