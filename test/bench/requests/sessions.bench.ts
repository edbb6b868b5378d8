import { smollm } from "../../support/models/text/smollm.ts";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { quantile } from "../../support/quantile.ts";
import { readChat, type ReadAnswer } from "../support/read-chat.ts";

/**
 * Conversations over four replicas: 100 of 10 turns, 8 at a time, each with words of its own, so that what is in a cache
 * of one helps no other. Sent by the router, which keeps a session at one replica; in turn to each of the four, as a
 * load balancer does that knows no sessions; and all to one replica, 4 at a time, as many as its cache holds: more of the
 * prompts cannot be in a cache. SmolLM2-135M, 4 bit, one thread a replica, short answers.
 *
 *   npm run bench -- sessions
 *   SESSIONS=20 TURNS=10 npm run bench -- sessions
 *   MODEL=tiny npm run bench -- sessions
 *
 * With a model that computes next to nothing only the hits say something.
 */
const SESSIONS = Number(process.env["SESSIONS"] ?? 100);
const TURNS = Number(process.env["TURNS"] ?? 10);
const AT_ONCE = 8;
const PLACES = 4;
const NODES = ["edge-a", "edge-b", "edge-c", "edge-d"];
const ANSWER_TOKENS = 4;
const HITS_GOAL = 0.9;
const WALL_GOAL = 0.9;
const WORDS = "harbour pump lamp island rope bell anchor tide net gull cable mast stone fog crane".split(" ");

/** How the nth request of all is sent, beside its conversation. */
type Way = (request: number) => Record<string, string>;

interface Sum {
  readonly seconds: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly firstMs: readonly number[];
}

const isTiny = process.env["MODEL"] === "tiny";
const bytes = isTiny ? tinyGguf({ contextTokens: 8_192 }) : (await smollm()).bytes;
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  for (const name of NODES) await cluster.addNode(name, { env: { SKERRY_TEXT_THREADS: "1" } });
  await cluster.publish("smollm", bytes, { runtime: "gguf" });
  const limits = { timeoutMs: 60_000 };
  await cluster.deploy({
    name: "smollm",
    model: "smollm",
    version: 1,
    placement: { edge: { min: NODES.length } },
    limits,
  });
  await cluster.whenDeploymentReady("smollm", 300_000);
  await converse("warm", { sessions: 8, atOnce: AT_ONCE, way: () => ({}) });
  const routed = await converse("routed", { sessions: SESSIONS, atOnce: AT_ONCE, way: () => ({}) });
  const inTurn = await converse("in-turn", {
    sessions: SESSIONS,
    atOnce: AT_ONCE,
    way: (request) => ({ "skerry-prefer": `node=${NODES[request % NODES.length]}` }),
  });
  const one = await converse("one", {
    sessions: SESSIONS,
    atOnce: PLACES,
    way: () => ({ "skerry-prefer": `node=${NODES[0]}` }),
  });
  const hits = partOf(routed) / partOf(one);
  const wall = routed.seconds / inTurn.seconds;
  console.log(
    `prefix hits ${hits.toFixed(3)} × those of one replica (goal ${HITS_GOAL}: ${verdict(hits >= HITS_GOAL)})`,
  );
  console.log(`wall time ${wall.toFixed(3)} × that of taking turns (goal ${WALL_GOAL}: ${verdict(wall <= WALL_GOAL)})`);
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

function verdict(isMet: boolean): string {
  return isMet ? "met" : "MISSED";
}

function partOf({ cachedTokens, promptTokens }: Sum): number {
  return cachedTokens / promptTokens;
}

async function converse(
  name: string,
  { sessions, atOnce, way }: { readonly sessions: number; readonly atOnce: number; readonly way: Way },
): Promise<Sum> {
  const left = Array.from({ length: sessions }, (_, session) => session);
  const answers: ReadAnswer[] = [];
  let requests = 0;
  const talk = async (session: number): Promise<void> => {
    const messages = [{ role: "system", content: `You keep log ${session} of ${name}. ${wordsOf(session, 30)}` }];
    for (let turn = 0; turn < TURNS; turn += 1) {
      messages.push({ role: "user", content: wordsOf(session * 31 + turn, 15) });
      const headers = way((requests += 1));
      const answer = await readChat(
        cluster,
        { model: "smollm", messages, max_tokens: ANSWER_TOKENS, temperature: 0 },
        headers,
      );
      answers.push(answer);
      messages.push({ role: "assistant", content: answer.text });
    }
  };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let session = left.shift(); session !== undefined; session = left.shift()) await talk(session);
    }),
  );
  const sum = {
    seconds: (performance.now() - startedAt) / 1_000,
    promptTokens: answers.reduce((total, { usage }) => total + usage.prompt_tokens, 0),
    cachedTokens: answers.reduce((total, { usage }) => total + usage.prompt_tokens_details.cached_tokens, 0),
    firstMs: answers.map(({ firstMs }) => firstMs),
  };
  const reasons = Object.entries(Object.groupBy(answers, ({ reason }) => reason)).map(
    ([why, all]) => `${why} ${all?.length}`,
  );
  console.log(
    `${name}: ${sum.seconds.toFixed(1)} s, ${(100 * partOf(sum)).toFixed(1)} % of ${sum.promptTokens} prompt tokens in a cache, first token after ${quantile(sum.firstMs, 0.5).toFixed(0)} ms at the median; routes: ${reasons.join(", ")}`,
  );
  return sum;
}

/** Words that only this number gives. */
function wordsOf(seed: number, count: number): string {
  let state = seed + 1;
  const words = Array.from({ length: count }, () => {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    return WORDS[(state >>> 16) % WORDS.length];
  });
  return `${words.join(" ")}.`;
}
