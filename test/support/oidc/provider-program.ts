/**
 * An OpenID Connect provider for tests, in a process of its own: `oidc-provider` as it is, with people who log in without being
 * asked. It takes its settings as JSON, prints its port, and ends with its standard input. POST /control changes what it does.
 */
import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import Provider from "oidc-provider";

interface Control {
  /** Who logs in next. */
  person: string;
  groups: readonly string[];
  /** Put into each ID token, which is signed again. */
  claims: Readonly<Record<string, unknown>>;
  /** Sign with a key that the provider does not show. */
  foreignKey: boolean;
}

const { port, redirectUri } = JSON.parse(process.argv[2] ?? "{}") as { port: number; redirectUri: string };
const state: Control = { person: "ana", groups: [], claims: {}, foreignKey: false };
const kid = `k-${process.pid}`;
const own = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const foreign = generateKeyPairSync("rsa", { modulusLength: 2_048 });

const provider: Provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "skerry",
      client_secret: "a secret of the test",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
    },
  ],
  jwks: { keys: [{ ...own.privateKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" }] },
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false,
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: false } },
  cookies: { keys: ["of the test"] },
  interactions: { url: (_context, { uid }) => `/auto/${uid}` },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: id, groups: [...state.groups] }),
  }),
  async loadExistingGrant({ oidc }) {
    const grant = new provider.Grant({ clientId: oidc.client?.clientId, accountId: oidc.session?.accountId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

provider.use(async (context, next) => {
  await next();
  const body = context.body as { id_token?: string } | undefined;
  if (context.path !== "/token" || body?.id_token === undefined) return;
  const [, payload = ""] = body.id_token.split(".");
  const claims: Record<string, unknown> = {
    ...JSON.parse(Buffer.from(payload, "base64url").toString()),
    ...state.claims,
  };
  // Null: the claim is left out.
  for (const [name, value] of Object.entries(claims)) if (value === null) delete claims[name];
  body.id_token = signed(claims, state.foreignKey ? foreign.privateKey : own.privateKey);
});

function signed(claims: object, key: KeyObject): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = `${part({ alg: "RS256", kid, typ: "JWT" })}.${part(claims)}`;
  return `${head}.${createSign("RSA-SHA256").update(head).sign(key, "base64url")}`;
}

const answer = provider.callback();
createServer((request, response) => {
  void (async () => {
    if (request.url === "/control") {
      Object.assign(state, JSON.parse(await text(request)));
      response.end();
    } else if (request.url?.startsWith("/auto/")) {
      await provider.interactionFinished(request, response, { login: { accountId: state.person } });
    } else await answer(request, response);
  })();
}).listen(port, "127.0.0.1", () => process.stdout.write(`listening\n`));
process.stdin.on("end", () => process.exit(0)).resume();
