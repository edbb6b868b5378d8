import { setTimeout as sleep } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import type { Browser, Page } from "playwright-core";
import type { SkerryCluster } from "../../../support/processes/skerry-cluster.ts";
import { nodeNameOf } from "./fleet-rows.ts";

/** What of a control plane the figures need. */
type Target = Pick<SkerryCluster, "url" | "adminKey" | "request">;

const now = (): number => performance.timeOrigin + performance.now();

/** Resolves with when the request was sent that did it: a busy machine's database may not answer at once. */
export async function cordon(target: Target, node: number, verb: "cordon" | "uncordon"): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    const from = now();
    try {
      await target.request("POST", `/nodes/${nodeNameOf(node)}/${verb}`);
      return from;
    } catch (error) {
      if (tries === 5) throw error;
      await sleep(1_000);
    }
  }
}

/** The stream of nodes as a second reader sees it. */
export interface NodeStream {
  readonly target: Target;
  /** Resolves when the next message says that this node is cordoned, with that moment. */
  cordoned(name: string): Promise<number>;
  close(): void;
}

export async function openNodeStream(target: Target): Promise<NodeStream> {
  const end = new AbortController();
  const waiting = new Map<string, (at: number) => void>();
  const headers = { authorization: `Bearer ${target.adminKey}`, accept: "text/event-stream" };
  const { body } = await fetch(`${target.url}/api/v1/nodes?watch=true`, { headers, signal: end.signal });
  const parser = createParser({
    onEvent({ event, data }) {
      if (event !== "modified") return;
      const { name, cordoned } = JSON.parse(data) as { name: string; cordoned: boolean };
      if (cordoned) waiting.get(name)?.(now());
    },
  });
  const read = async (): Promise<void> => {
    if (body === null) return;
    for await (const text of body.pipeThrough(new TextDecoderStream())) parser.feed(text);
  };
  read().catch(() => undefined);
  return {
    target,
    cordoned: (name) => new Promise((resolve) => waiting.set(name, resolve)),
    close: () => end.abort(),
  };
}

/** From the request that cordons a node, in ms. */
export interface EventTimes {
  /** Until its answer. */
  readonly answerMs: number;
  /** Until a stream of nodes says so. */
  readonly streamMs: number;
  /** Until the frame in which its row says so. */
  readonly pixelMs: number;
}

export async function eventToPixel(page: Page, node: number, stream: NodeStream): Promise<EventTimes> {
  const name = nodeNameOf(node);
  const shown = page.evaluate(`new Promise((resolve) => {
    const row = () => [...document.querySelectorAll("tbody tr")].find((each) => each.querySelector("a")?.textContent === "${name}");
    const look = () => row()?.textContent.includes("cordoned")
      ? (observer.disconnect(), requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now())))
      : undefined;
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
  })`);
  const streamed = stream.cordoned(name);
  await sleep(100);
  const from = await cordon(stream.target, node, "cordon");
  const answered = now();
  const [pixel, streamedAt] = [(await shown) as number, await streamed];
  await cordon(stream.target, node, "uncordon");
  await sleep(300);
  return { answerMs: answered - from, streamMs: streamedAt - from, pixelMs: pixel - from };
}

export async function framesWhileEventsCome(
  page: Page,
  target: Target,
  { ms, nodes }: { readonly ms: number; readonly nodes: number },
): Promise<{ frames: number; longestMs: number }> {
  const counted = page.evaluate(`new Promise((resolve) => {
    let frames = 0, longest = 0, last = performance.now();
    const end = last + ${ms};
    const next = (now) => {
      frames += 1;
      longest = Math.max(longest, now - last);
      last = now;
      if (now < end) requestAnimationFrame(next);
      else resolve({ frames: frames / ${ms / 1_000}, longestMs: longest });
    };
    requestAnimationFrame(next);
  })`);
  let isOver = false;
  const events = (async () => {
    for (let turn = 0; !isOver; turn += 1) {
      await cordon(target, turn % nodes, turn % 2 === 0 ? "cordon" : "uncordon");
      await sleep(100);
    }
  })();
  const result = (await counted) as { frames: number; longestMs: number };
  isOver = true;
  await events;
  return result;
}

/** What is left after a collection of garbage. */
export async function heapMiB(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize / 1_048_576;
}

/** 1 Mbit/s each way, and a way of 100 ms there and back. */
const SLOW = { offline: false, downloadThroughput: 125_000, uploadThroughput: 125_000, latency: 100 };

/** How soon the console is of use over a slow link: first with nothing in the browser's cache, then loaded again. */
export async function slowLink(browser: Browser, target: Target): Promise<readonly string[]> {
  const { code } = (await target.request("POST", "/session/codes", {})) as { code: string };
  const page = await (await browser.newContext({ viewport: { width: 1_280, height: 800 } })).newPage();
  page.setDefaultTimeout(180_000);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", SLOW);
  let bytes = 0;
  session.on("Network.dataReceived", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const figures: string[] = [];
  const visit = async (what: string, path: string, sign: RegExp): Promise<void> => {
    const startedAt = performance.now();
    bytes = 0;
    await page.goto(`${target.url}${path}`, { waitUntil: "commit" });
    await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
    const frameMs = performance.now() - startedAt;
    await page.getByText(sign).first().waitFor();
    const tookS = ((performance.now() - startedAt) / 1_000).toFixed(1);
    figures.push(
      `1 Mbit/s, ${what}: the frame after ${(frameMs / 1_000).toFixed(1)} s, its content after ${tookS} s, ${Math.round(bytes / 1_024)} KiB`,
    );
  };
  await visit("home for the first time", `/#code=${code}`, /nodes? connected/);
  await visit("home again", "/", /nodes? connected/);
  await visit("the page of nodes", "/nodes", /connected, at/);
  await page.context().close();
  return figures;
}
