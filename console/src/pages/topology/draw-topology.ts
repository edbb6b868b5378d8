import type { Node } from "../../api/types.ts";
import type { Topology, TopologyCell, TopologySite } from "../../core/fleet/topology-layout.ts";
import { toneOfNode, toneOfPlacement, type Tone } from "../../core/fleet/tone.ts";
import { msText } from "../../core/text/units.ts";

/** What a cell shows beside its node. */
export interface CellFacts {
  readonly cpuPct: number | undefined;
  readonly rttMs: number | undefined;
}

export interface Drawing {
  readonly topology: Topology<Node>;
  readonly factsOf: (name: string) => CellFacts;
  /** Nodes without a replica of this deployment fade. */
  readonly deployment: string | undefined;
  readonly hovered: string | undefined;
}

type Colours = Readonly<Record<Tone | "ink" | "faint" | "line" | "card" | "accent", string>>;

/** One frame: of a thousand nodes some ms, so that it is drawn whole whenever something changed. */
export function drawTopology(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = window.devicePixelRatio;
  const { width } = canvas.getBoundingClientRect();
  const { height } = drawing.topology;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const colours = coloursOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.textBaseline = "top";
  const hub = { x: width / 2, y: 22 };
  for (const site of drawing.topology.sites) drawLink(context, { site, hub, colours });
  drawHub(context, { hub, colours });
  for (const site of drawing.topology.sites) drawSite(context, { site, drawing, colours });
}

function coloursOf(canvas: HTMLCanvasElement): Colours {
  const style = getComputedStyle(canvas);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    good: of("good"),
    busy: of("busy"),
    warn: of("warn"),
    bad: of("bad"),
    idle: of("idle"),
    ink: of("ink"),
    faint: of("faint"),
    line: of("line"),
    card: of("card"),
    accent: of("accent"),
  };
}

/** The links of a site's nodes as one: solid while all are up, dashed while some are not. */
function drawLink(
  context: CanvasRenderingContext2D,
  { site, hub, colours }: { site: TopologySite<Node>; hub: { x: number; y: number }; colours: Colours },
): void {
  const up = site.cells.filter(({ item }) => item.state === "ready").length;
  const end = { x: site.x + Math.min(site.width / 2, 400), y: site.y };
  context.beginPath();
  context.moveTo(hub.x, hub.y + 16);
  context.bezierCurveTo(hub.x, hub.y + 52, end.x, end.y - 40, end.x, end.y);
  context.strokeStyle = up === 0 ? colours.bad : up < site.cells.length ? colours.warn : colours.good;
  context.lineWidth = 1 + Math.min(4, Math.log2(1 + up) / 2);
  context.setLineDash(up < site.cells.length ? [5, 4] : []);
  context.globalAlpha = 0.65;
  context.stroke();
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function drawHub(
  context: CanvasRenderingContext2D,
  { hub, colours }: { hub: { x: number; y: number }; colours: Colours },
): void {
  context.fillStyle = colours.accent;
  context.beginPath();
  context.roundRect(hub.x - 70, hub.y - 16, 140, 32, 8);
  context.fill();
  context.fillStyle = "#fff";
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText("control plane", hub.x, hub.y - 7);
  context.textAlign = "left";
}

function drawSite(
  context: CanvasRenderingContext2D,
  { site, drawing, colours }: { site: TopologySite<Node>; drawing: Drawing; colours: Colours },
): void {
  context.fillStyle = colours.card;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(site.x + 0.5, site.y + 0.5, site.width - 1, site.height - 1, 10);
  context.fill();
  context.stroke();
  const up = site.cells.filter(({ item }) => item.state === "ready").length;
  context.fillStyle = colours.ink;
  context.font = "600 13px system-ui, sans-serif";
  context.fillText(fitted(context, site.name, site.width - 24), site.x + 12, site.y + 8);
  context.fillStyle = colours.faint;
  context.font = "12px system-ui, sans-serif";
  context.fillText(`${up} of ${site.cells.length} connected`, site.x + 12, site.y + 24);
  for (const cell of site.cells) drawNode(context, { cell, drawing, colours });
}

function drawNode(
  context: CanvasRenderingContext2D,
  { cell: { item, x, y }, drawing, colours }: { cell: TopologyCell<Node>; drawing: Drawing; colours: Colours },
): void {
  const { topology, deployment, hovered, factsOf } = drawing;
  const { width, height } = topology.cell;
  const holds = deployment === undefined || item.placements.some((each) => each.deployment === deployment);
  const tone = colours[toneOfNode(item)];
  const facts = factsOf(item.name);
  const { cpuPct } = facts;
  context.globalAlpha = holds ? 1 : 0.25;
  context.beginPath();
  context.roundRect(x, y, width, height, Math.min(6, width / 4));
  if (topology.isLarge) {
    context.fillStyle = colours.line;
    context.globalAlpha *= 0.35;
    context.fill();
    context.globalAlpha = holds ? 1 : 0.25;
    context.fillStyle = tone;
    context.fillRect(x, y + 6, 3, height - 12);
    drawWords(context, { item, x, y, width, colours, facts });
  } else {
    context.fillStyle = tone;
    context.fill();
  }
  if (cpuPct !== undefined && height >= 16) {
    const barWidth = width - (topology.isLarge ? 20 : 4);
    const left = x + (topology.isLarge ? 10 : 2);
    context.fillStyle = topology.isLarge ? colours.line : colours.card;
    context.fillRect(left, y + height - 5, barWidth, 3);
    context.fillStyle = topology.isLarge ? colours.accent : colours.ink;
    context.fillRect(left, y + height - 5, (barWidth * Math.min(100, cpuPct)) / 100, 3);
  }
  if (hovered === item.name) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawWords(
  context: CanvasRenderingContext2D,
  {
    item,
    x,
    y,
    width,
    colours,
    facts: { rttMs },
  }: { item: Node; x: number; y: number; width: number; colours: Colours; facts: CellFacts },
): void {
  context.fillStyle = colours.ink;
  context.font = "600 12px system-ui, sans-serif";
  context.fillText(fitted(context, item.name, width - 75), x + 10, y + 7);
  context.font = "11px system-ui, sans-serif";
  if (rttMs !== undefined) {
    const text = msText(rttMs);
    context.fillStyle = colours.faint;
    context.fillText(text, x + width - 10 - context.measureText(text).width, y + 8);
  }
  let left = x + 10;
  for (const { model, version, state } of item.placements.slice(0, 4)) {
    const text = fitted(context, `${model}:${version}`, x + width - left - 16);
    if (text === "" || text === "…") break;
    context.fillStyle = colours[toneOfPlacement(state)];
    context.beginPath();
    context.arc(left + 3, y + 33, 3, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = colours.faint;
    context.fillText(text, left + 9, y + 27);
    left += 9 + context.measureText(text).width + 8;
  }
}

/** A text cut to a width, with an ellipsis. */
function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 0 && context.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
  return end === 0 ? "" : `${text.slice(0, end)}…`;
}
