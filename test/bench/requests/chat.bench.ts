import { smollm } from "../../support/models/text/smollm.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { quantile } from "../../support/quantile.ts";
import { readChat } from "../support/read-chat.ts";

/**
 * What a person at a chat waits for: the first token of the second turn of a conversation of 600 tokens against that of
 * its first turn, and streams that run at once against one alone. One replica of SmolLM2-135M, 4 bit, one thread.
 *
 *   npm run bench -- chat
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const STREAMS = Number(process.env["STREAMS"] ?? 8);
const TOKENS = 48;
const SECOND_TURN_GOAL = 0.25;
const SLOWEST_GOAL = 3;
const WORDS = "The island has a harbour, a pump and a lamp that nobody lights. ";

const { bytes } = await smollm();
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  await cluster.addNode("edge-a", { env: { SKERRY_TEXT_THREADS: "1" } });
  await cluster.publish("smollm", bytes, { runtime: "gguf" });
  const limits = { timeoutMs: 60_000 };
  await cluster.deploy({ name: "smollm", model: "smollm", version: 1, placement: { edge: { min: 1 } }, limits });
  await cluster.whenDeploymentReady("smollm", 120_000);
  await ask([{ role: "user", content: "Say hello." }]);
  await secondTurn();
  await streamsAtOnce();
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

function ask(messages: readonly object[], maxTokens = 8) {
  return readChat(cluster, { model: "smollm", messages, max_tokens: maxTokens, temperature: 0 });
}

async function secondTurn(): Promise<void> {
  const [first, second]: number[][] = [[], []];
  let tokens = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const messages = [{ role: "user", content: `Log ${round}. ${WORDS.repeat(40)}What is on the island?` }];
    const one = await ask(messages);
    messages.push({ role: "assistant", content: one.text }, { role: "user", content: "And what is not?" });
    const two = await ask(messages);
    first?.push(one.firstMs);
    second?.push(two.firstMs);
    tokens = one.usage.prompt_tokens;
  }
  const ratio = median(second ?? []) / median(first ?? []);
  console.log(
    `a chat of ${tokens} tokens: first token after ${median(first ?? []).toFixed(0)} ms, of the second turn after ${median(second ?? []).toFixed(0)} ms: ${ratio.toFixed(3)} × (goal ${SECOND_TURN_GOAL}: ${verdict(ratio <= SECOND_TURN_GOAL)})`,
  );
}

async function streamsAtOnce(): Promise<void> {
  const question = (name: string) => [{ role: "user", content: `Tell me of ${name}.` }];
  const perToken = (answer: Awaited<ReturnType<typeof ask>>): number => answer.totalMs / answer.usage.completion_tokens;
  const alone: number[] = [];
  const worst: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    alone.push(perToken(await ask(question(`round ${round}`), TOKENS)));
    const names = Array.from({ length: STREAMS }, (_, stream) => `place ${stream} in round ${round}`);
    const answers = await Promise.all(names.map((name) => ask(question(name), TOKENS)));
    worst.push(Math.max(...answers.map(perToken)));
    together.push(
      Math.max(...answers.map(({ totalMs }) => totalMs)) /
        answers.reduce((sum, { usage }) => sum + usage.completion_tokens, 0),
    );
  }
  const ratio = median(worst) / median(alone);
  console.log(
    `${STREAMS} streams at once: ${median(together).toFixed(1)} ms a token of all, alone ${median(alone).toFixed(1)}; the slowest stream ${ratio.toFixed(2)} × one alone (goal ${SLOWEST_GOAL}: ${verdict(ratio <= SLOWEST_GOAL)})`,
  );
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function verdict(isMet: boolean): string {
  return isMet ? "met" : "MISSED";
}
