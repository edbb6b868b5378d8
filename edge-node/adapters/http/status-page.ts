import type { LocalNode } from "../../ports/serving.ts";
import { REMOVED } from "../../app/session/connection.ts";
import { versionWithAliases } from "./resolve-placement.ts";

/** A page that a technician opens on the device: who it is, whether the control plane is there, what runs. Needs no network. */
export function statusPage(node: LocalNode): string {
  const connection = connectionOf(node);
  const rows = node
    .placements()
    .map(
      (each) =>
        `<tr><td>${escape(`${each.model}:${versionWithAliases(each)}`)}</td><td>${escape(each.deployment)}</td><td>${each.state}</td><td>${each.host ?? ""}</td></tr>`,
    );
  const table = `<table><tr><th>Model</th><th>Deployment</th><th>State</th><th>Shared host</th></tr>${rows.join("")}</table>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<title>${escape(node.name)} · Skerry</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:40rem;padding:0 1rem;color-scheme:light dark}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884}</style>
<h1>${escape(node.name)}</h1>
<p>${node.kind} node, ${connection}. Skerry ${escape(node.version)}.</p>
${rows.length === 0 ? "<p>Nothing is placed here yet.</p>" : table}
</html>`;
}

function connectionOf(node: LocalNode): string {
  if (node.isRemoved()) return escape(REMOVED);
  return node.isConnected() ? "connected to the control plane" : "the control plane is away; this node serves on";
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
