import { ENGINE_APIS, type EngineApi } from "./engine-model.ts";

/** An inference server beside a node, as `--engine` and `SKERRY_ENGINES` name it. */
export interface EngineSetting {
  readonly api: EngineApi;
  /** Without a slash at the end, and without `/v1` or `/v2`. */
  readonly url: string;
  /** A file with the key that the engine asks for. */
  readonly keyFile: string | undefined;
  /** Requests that it runs at once; undefined: what it says itself, else a default. */
  readonly slots: number | undefined;
  /** Where its metrics are, when that is not `/metrics` of the same server. */
  readonly metrics: string | undefined;
}

const MAX_SLOTS = 1_024;
const FORM = "write KIND=URL, e.g. openai=http://127.0.0.1:8000";
const API_PATH = /\/(v1|v2)?\/*$/;

/**
 * `KIND=URL`, with `,key-file=FILE`, `,slots=NUMBER` and `,metrics=URL` behind it. `fault` says what is wrong with it, and repeats nothing
 * of the URL, in which somebody may have put a password.
 */
export function parseEngine(text: string): EngineSetting | { readonly fault: string } {
  const [first = "", ...options] = text.split(",");
  const at = first.indexOf("=");
  const api = ENGINE_APIS.find((known) => known === first.slice(0, Math.max(0, at)));
  if (api === undefined)
    return { fault: `it must begin with ${ENGINE_APIS.map((each) => `${each}=`).join(" or ")}; ${FORM}` };
  const url = URL.parse(first.slice(at + 1));
  if (url === null || !/^https?:$/.test(url.protocol)) return { fault: `there is no http or https URL in it; ${FORM}` };
  if (url.username !== "" || url.password !== "")
    return {
      fault: "a URL with a user or a password would be logged; put the key into a file and name it with ,key-file=FILE",
    };
  if (url.search !== "" || url.hash !== "") return { fault: `the URL may have no query and no fragment; ${FORM}` };
  let keyFile: string | undefined;
  let slots: number | undefined;
  let metrics: string | undefined;
  for (const option of options) {
    const [name, ...rest] = option.split("=");
    const value = rest.join("=");
    if (name === "key-file" && value !== "" && keyFile === undefined) keyFile = value;
    else if (name === "slots" && slots === undefined && isSlots(value)) slots = Number(value);
    else if (name === "metrics" && metrics === undefined && isPlainUrl(value)) metrics = value;
    else
      return {
        fault: `after the URL there may be key-file=FILE, slots=NUMBER (1–${MAX_SLOTS}) and metrics=URL, each once`,
      };
  }
  return { api, url: `${url.origin}${url.pathname.replace(API_PATH, "")}`, keyFile, slots, metrics };
}

const isSlots = (text: string): boolean => /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_SLOTS;

function isPlainUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
}
