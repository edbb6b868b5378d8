import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** Longest that a page may take to show something on a busy machine, in ms. */
const SHOWN_MS = 30_000;

/** One page of a browser at the console, and what it did that it must not. */
export interface ConsolePage {
  readonly page: Page;
  /** Requests to another origin than the control plane's. */
  readonly foreign: readonly string[];
  /** What the browser complained of: refused by the content security policy, or thrown by a script. */
  readonly complaints: readonly string[];
  /** Goes to a path of the console. */
  open(path: string): Promise<void>;
  /** Resolves when the page shows this text. */
  shows(text: string | RegExp): Promise<void>;
  signIn(key: string): Promise<void>;
  /** Findings of axe that hinder somebody: `rule: element`. */
  seriousFindings(): Promise<readonly string[]>;
}

export async function openConsolePage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<ConsolePage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(SHOWN_MS);
  const foreign: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) foreign.push(request.url());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // An answer that is no success is a line of the console too, and part of many tests.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  return {
    page,
    foreign,
    complaints,
    async open(path) {
      await page.goto(`${url}${path}`);
    },
    async shows(text) {
      await page.getByText(text).first().waitFor();
    },
    async signIn(key) {
      await page.goto(`${url}/`);
      await page.getByLabel("API key").fill(key);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
    },
    async seriousFindings() {
      await page.evaluate(axe.source);
      const findings = await page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.filter(({ impact }) => impact === "serious" || impact === "critical")
          .flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html.slice(0, 200))))`);
      return findings as readonly string[];
    },
  };
}
