import { createHash } from "node:crypto";
import { z } from "zod";
import { rolesOf } from "../../../core/access/actions.ts";
import { escapeHtml } from "../server/escape-html.ts";
import type { Route } from "../server/route.ts";

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:.9em ui-monospace,monospace}pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:.3rem}
details{border-bottom:1px solid #8884;padding:.4rem 0}summary{cursor:pointer}.method{display:inline-block;width:4.5rem;font-weight:600}small{opacity:.75}`;

/** Nothing but this page's own style: no script, no outside request. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; frame-ancestors 'none'`;

/** The API's reference as one page that works without internet, from the table that the router is made of. */
export function referencePage(routes: readonly Route[], version: string): string {
  const sections = [...Map.groupBy(routes, ({ tag }) => tag)].map(
    ([tag, group]) => `<h2>${escapeHtml(tag)}</h2>\n${group.map(entryOf).join("\n")}`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Skerry API</title><style>${STYLE}</style></head>
<body><h1>Skerry API</h1>
<p>Version ${escapeHtml(version)}. The same as <a href="/openapi.json">OpenAPI 3.1</a>. Send <code>Authorization: Bearer sk_…</code>.</p>
${sections.join("\n")}
</body></html>
`;
}

function entryOf(route: Route): string {
  const { method, path, summary, access, statuses } = route;
  const roles = access === "public" ? "no key needed" : rolesOf(access).join(", ");
  return `<details><summary><span class="method">${method}</span><code>${escapeHtml(path)}</code><br>${escapeHtml(summary)}</summary>
<p><small>${escapeHtml(roles)} · answers ${statuses.join(", ")}</small></p>
${schemaOf("Query", route.query, "input")}${schemaOf("Body", route.body, "input")}${schemaOf("Answer", route.answer, "output")}</details>`;
}

function schemaOf(title: string, schema: z.ZodType | undefined, io: "input" | "output"): string {
  if (!schema) return "";
  const { $schema: _, ...shown } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  if (
    shown.type === "object" &&
    Object.keys(shown.properties ?? {}).length === 0 &&
    shown.additionalProperties === false
  )
    return "";
  return `<p>${title}</p><pre>${escapeHtml(JSON.stringify(shown, null, 2))}</pre>\n`;
}
