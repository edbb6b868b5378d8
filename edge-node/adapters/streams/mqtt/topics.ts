import { createHash } from "node:crypto";

/** Bytes of a topic or a filter of the streams file. MQTT allows 65,535; brokers allow fewer. */
const MAX_TOPIC_BYTES = 512;
/** A key goes through headers, so it is this many visible ASCII characters at most. */
const MAX_KEY = 128;
const DIGEST_CHARACTERS = 32;

const bytesOf = (text: string): number => Buffer.byteLength(text);

/** Why a text is no topic filter of MQTT; undefined: it is one. */
export function filterFault(filter: string): string | undefined {
  const shared = /^\$share\/[^/+#]+\/(.*)$/s.exec(filter);
  if (filter.startsWith("$share/") && shared === null) return "a shared subscription is $share/GROUP/FILTER";
  const own = shared?.[1] ?? filter;
  const common = textFault(own);
  if (common !== undefined) return common;
  const levels = own.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index < levels.length - 1))
      return "# is the whole last level or absent";
    if (level.includes("+") && level !== "+") return "+ is a whole level or absent";
  }
  return undefined;
}

/** Names in braces that the topic of a sink may have. */
const PLACEHOLDERS: ReadonlySet<string> = new Set(["node", "deployment", "stream", "key"]);

/** Why a text is no topic of a sink; undefined: it is one. */
export function templateFault(template: string): string | undefined {
  const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].find(([, name = ""]) => !PLACEHOLDERS.has(name));
  if (unknown !== undefined) return `${unknown[0]} is none of {node}, {deployment}, {stream}, {key}`;
  if (/[+#]/.test(template)) return "a topic to publish to has no + and no #";
  if (template.startsWith("$")) return "topics that begin with $ are the broker's own";
  return textFault(template);
}

/** The topic of one result. Names go in percent-encoded, so that none of them adds a level or a wildcard. */
export const topicOf = (template: string, names: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{([a-z]+)\}/g, (_all, name: string) => encodeURIComponent(names[name] ?? ""));

/** Whether a message of this topic belongs to the filter. */
export function isMatch(filter: string, topic: string): boolean {
  const own = filter.replace(/^\$share\/[^/]+\//, "").split("/");
  const levels = topic.split("/");
  // What the broker says of itself belongs to no filter that begins with a wildcard.
  if (topic.startsWith("$") && (own[0] === "#" || own[0] === "+")) return false;
  for (const [index, level] of own.entries()) {
    if (level === "#") return true;
    if (level !== "+" && level !== levels[index]) return false;
    if (levels[index] === undefined) return false;
  }
  return own.length === levels.length;
}

/** A topic as the key of an item: itself where it fits, else its beginning and a digest. */
export function keyOfTopic(topic: string): string {
  const encoded = /^[\x21-\x7e]+$/.test(topic) ? topic : encodeURIComponent(topic);
  if (encoded.length <= MAX_KEY) return encoded;
  const digest = createHash("sha256").update(topic).digest("hex").slice(0, DIGEST_CHARACTERS);
  return `${encoded.slice(0, MAX_KEY - DIGEST_CHARACTERS - 1)}:${digest}`;
}

function textFault(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (text.includes("\0")) return "it holds the character U+0000";
  if (bytesOf(text) > MAX_TOPIC_BYTES) return `it has ${bytesOf(text)} bytes, of at most ${MAX_TOPIC_BYTES}`;
  return undefined;
}
