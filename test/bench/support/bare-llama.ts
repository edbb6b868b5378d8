import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";

/**
 * node-llama-cpp alone, in a process of its own: `node bare-llama.ts FILE PROMPT TOKENS`. Generates so many tokens after the
 * prompt and prints the CPU of the process for each of them after the first, in ms.
 */
const [file = "", prompt = "", count = "0"] = process.argv.slice(2);
const tokens = Number(count);
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: 1,
});
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 4_096, sequences: 1, threads: 1 });
const sequence = context.getSequence();
const made: Token[] = [];
let before = process.cpuUsage();
for await (const token of sequence.evaluate(model.tokenize(prompt), { temperature: 0 })) {
  if (made.length === 0) before = process.cpuUsage();
  made.push(token);
  if (made.length === tokens) break;
}
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ msPerToken: (user + system) / 1_000 / (tokens - 1), text: model.detokenize(made) }));
process.exit(0);
