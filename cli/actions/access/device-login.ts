import { setTimeout as sleep } from "node:timers/promises";
import { deviceLogin, deviceSession, loginWays } from "../../../shared/api/v1/access/login.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";

/** What RFC 8628 says to wait longer when the provider asks for it. */
const SLOWER_MS = 5_000;

/** The identity provider of the server; null: people log in with keys. */
export async function providerOf(api: ApiClient): Promise<string | null> {
  const { body } = await api.get("/api/v1/login");
  return decode(loginWays, body, "a list of ways to log in").oidc?.issuer ?? null;
}

/** Lets the person log in at any browser and returns the token of the session that begins then. */
export async function loginByDevice(run: CommandContext, api: ApiClient): Promise<string> {
  const { body } = await api.call("POST", "/api/v1/login/device", { body: {} });
  const begun = decode(deviceLogin, body, "a login by device");
  run.output.say(
    begun.verificationUriComplete === null
      ? `Open ${begun.verificationUri} in a browser, enter the code ${begun.userCode} and log in.`
      : `Open ${begun.verificationUriComplete} in a browser, see that it shows the code ${begun.userCode}, and log in.`,
  );
  let waitMs = begun.intervalSeconds * 1_000;
  const end = performance.now() + begun.expiresInSeconds * 1_000;
  while (performance.now() < end) {
    await sleep(waitMs, undefined, { signal: run.signal });
    const answer = await api.call("POST", "/api/v1/login/device/session", { body: { deviceCode: begun.deviceCode } });
    const found = decode(deviceSession, answer.body, "the outcome of a login");
    if (found.state === "open") return found.token;
    if (found.slowDown) waitMs += SLOWER_MS;
  }
  throw new CliFailure(EXIT.notAllowed, { what: "the code has expired before anybody logged in", fix: "try again" });
}
