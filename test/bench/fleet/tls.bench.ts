import { Agent, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { digitRequests } from "../../support/models/digit-request.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { quantile } from "../../support/quantile.ts";
import { digits } from "../support/bench-models.ts";

/**
 * What TLS costs an inference on a connection that is kept: the same request to a control plane without TLS and to one with
 * TLS, each with a node of its own, in turns. The figures are medians of the ratios within a round.
 *
 *   npm run bench -- tls
 *   ROUNDS=3 REQUESTS=200 npm run bench -- tls
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
const REQUESTS = Number(process.env["REQUESTS"] ?? 1_000);

interface Side {
  readonly cluster: SkerryCluster;
  readonly stop: () => Promise<void>;
  readonly ask: () => Promise<void>;
}

const body = JSON.stringify(digitRequests()[0]?.body);

async function open(env: NodeJS.ProcessEnv): Promise<Side> {
  const database = await startTestDatabase();
  const cluster = await SkerryCluster.start(database.url, env);
  await cluster.addNode("edge-a");
  await cluster.publish("digits", digits().file);
  await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("digits");
  const isTls = cluster.url.startsWith("https:");
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new TlsAgent(options) : new Agent(options);
  const send = isTls ? tlsRequest : request;
  const headers = {
    authorization: `Bearer ${cluster.adminKey}`,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
  };
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      send(`${cluster.url}/v2/models/digits/infer`, { method: "POST", agent, headers }, (answer) => {
        answer
          .resume()
          .once("end", () =>
            answer.statusCode === 200 ? resolve() : reject(new Error(`answered ${answer.statusCode}`)),
          );
      })
        .once("error", reject)
        .end(body);
    });
  const stop = async (): Promise<void> => {
    agent.destroy();
    await cluster.stop();
    await database.stop();
  };
  return { cluster, stop, ask };
}

async function median({ ask }: Side): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    const startedAt = performance.now();
    await ask();
    times.push(performance.now() - startedAt);
  }
  return quantile(times, 0.5);
}

const plain = await open({});
const secure = await open({ SKERRY_TLS: "own" });
try {
  for (const side of [plain, secure]) await median(side); // until then V8 compiles
  const ratios: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const sides = round % 2 === 0 ? [plain, secure] : [secure, plain];
    const found = new Map<Side, number>();
    for (const side of sides) found.set(side, await median(side));
    const [without = NaN, withTls = NaN] = [found.get(plain), found.get(secure)];
    ratios.push(withTls / without);
    console.log(
      `round ${round}: p50 ${without.toFixed(3)} ms without TLS, ${withTls.toFixed(3)} ms with it, ratio ${(withTls / without).toFixed(3)}`,
    );
  }
  console.log(`p50 with TLS is ${quantile(ratios, 0.5).toFixed(3)} × p50 without (median of ${ROUNDS} rounds)`);
} finally {
  await plain.stop();
  await secure.stop();
}
process.exit();
