import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ERRORS, type ErrorCode, type SkerryError } from "../../../../shared/base/errors.ts";
import { errorHeaders } from "../../../../shared/inference/http/error-response.ts";
import { escapeHtml } from "./escape-html.ts";

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:36rem;margin:15vh auto;padding:0 1rem}
code{font:.9em ui-monospace,monospace}small{opacity:.75}`;

/** Nothing but this page's own style: no script, no outside request. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** What a person does about a login that failed; the catalog's advice is for programs with keys. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED:
    "Begin the login again. A login takes ten minutes at most, in one browser, and each can be used once.",
  FORBIDDEN: "Ask an admin of this control plane to give a role to one of your groups, or log in as another person.",
  IDENTITY_PROVIDER_UNAVAILABLE: "Try again in a minute. With an API key you can log in meanwhile.",
  RATE_LIMITED: "Wait a minute, then begin the login again.",
  NOT_FOUND: "Log in with an API key.",
};

/** Whether a browser shows the answer to a person. Programs take anything, or JSON. */
export const isForPerson = ({ headers }: IncomingMessage): boolean =>
  headers.accept?.split(",").some((type) => type.trim().toLowerCase().startsWith("text/html")) === true;

/** The error as a page, with the status that programs get. */
export function sendErrorPage(
  response: ServerResponse,
  error: SkerryError,
  { title, again, requestId }: { readonly title: string; readonly again: string; readonly requestId: string },
): void {
  const { status, fix } = ERRORS[error.code];
  const bytes = Buffer.from(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)} – Skerry</title><style>${STYLE}</style></head>
<body><h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(sentence(error.message))}</p>
<p>${escapeHtml(ADVICE[error.code] ?? fix)}</p>
<p><a href="${escapeHtml(again)}">Begin again</a> · <a href="/">Skerry console</a></p>
<p><small><code>${error.code}</code> · request <code>${escapeHtml(requestId)}</code></small></p>
</body></html>
`);
  response.writeHead(status, {
    ...errorHeaders(error),
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Length": bytes.length,
  });
  response.end(bytes);
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
