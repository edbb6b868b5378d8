import { readFileSync } from "node:fs";
import path from "node:path";
import { type LocalResponse, textResponse } from "../response.ts";

/** The page asks this node alone, and is shown in no other page. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES = {
  "index.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.svg": "image/svg+xml",
  "page.js": "text/javascript; charset=utf-8",
} as const;
export type PageFile = keyof typeof TYPES;

const texts = new Map<PageFile, string>();

/** A file of the page. It says nothing about this node: what it shows, it asks for like everybody else. */
export function pageFile(name: PageFile): LocalResponse {
  const text = texts.get(name) ?? readFileSync(path.join(import.meta.dirname, name), "utf8");
  texts.set(name, text);
  return textResponse(text, TYPES[name], {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
  });
}
