import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const INSTALL_MS = 300_000;

/**
 * The browser of this machine; Debian's is installed where there is none and apt can. Undefined, with a line that says so,
 * when none is to be had.
 */
export function findBrowser(): string | undefined {
  const found = [process.env["SKERRY_CHROMIUM"] ?? "", ...PLACES].find((place) => place !== "" && existsSync(place));
  if (found !== undefined) return found;
  if (process.platform === "linux" && process.getuid?.() === 0) {
    const options = { stdio: "ignore", timeout: INSTALL_MS } as const;
    if (spawnSync("apt-get", ["update", "-qq"], options).status === 0)
      spawnSync("apt-get", ["install", "-y", "-qq", "chromium"], options);
  }
  const installed = PLACES.find((place) => existsSync(place));
  if (installed === undefined)
    process.stderr.write("No Chromium here (SKERRY_CHROMIUM names one): the console is not tested in a browser.\n");
  return installed;
}

/** Chromium refuses root its sandbox; what it opens here is our own. */
export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
