import { Agent, createServer, request } from "node:http";

/**
 * Passes requests on to another port and answers back, and does nothing else: what a process of Node between caller and
 * server costs at least.
 *
 *   node test/bench/support/relay.ts FROM_PORT TO_PORT
 */
const [from, to] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });

createServer((asked, answer) => {
  const pieces: Buffer[] = [];
  asked.on("data", (piece: Buffer) => pieces.push(piece));
  asked.on("end", () => {
    const body = Buffer.concat(pieces);
    const headers = { "content-type": "application/json", "content-length": body.length };
    const target = { host: "127.0.0.1", port: Number(to), path: asked.url, method: asked.method, agent, headers };
    request(target, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, { "content-type": answered.headers["content-type"] });
      answered.pipe(answer);
    }).end(body);
  });
}).listen(Number(from), "127.0.0.1");
