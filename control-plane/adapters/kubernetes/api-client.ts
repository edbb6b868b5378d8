import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { SkerryError } from "../../../shared/base/errors.ts";

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1_024 * 1_024;

/** One answer of the API server. `body` is parsed JSON. */
export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Requests to a Kubernetes API server. Where it is and who we are comes from client-node's KubeConfig, which also reads
 * the service account's token again when it has been renewed. The requests themselves go over node:https, which keeps
 * one deadline and one bound of the answer for all of them.
 */
export class KubernetesApi {
  readonly #config: KubeConfig;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  /** From the pod's own service account, or from KUBECONFIG and ~/.kube/config. Throws when neither is there. */
  static fromDefault(): KubernetesApi {
    const config = new KubeConfig();
    config.loadFromDefault();
    if (config.getCurrentCluster() === null)
      throw new Error("no Kubernetes cluster is configured: run in a pod with a service account, or set KUBECONFIG");
    return new KubernetesApi(config);
  }

  /**
   * Sends one request. `path` begins with `/`. Answers of 400 to 499 are returned but for 401 and 429. Throws
   * `CLUSTER_UNAVAILABLE` on 401, 429, 5xx, a broken connection, and after 10 s.
   */
  async call(method: "GET" | "POST", path: string, body?: object): Promise<ApiResponse> {
    const server = this.#config.getCurrentCluster()?.server ?? "";
    const options: RequestOptions = {
      method,
      headers: { accept: "application/json", "content-type": "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    try {
      await this.#config.applyToHTTPSOptions(options);
      // The agent that client-node makes is new on each call; ours keeps its connections.
      options.agent = this.#agent;
      const answer = await send(new URL(server + path), body, options);
      if (answer.status === 401 || answer.status === 429 || answer.status >= 500)
        throw new Error(`${answer.status} ${messageIn(answer.body)}`);
      return answer;
    } catch (error) {
      const why = Error.isError(error) ? error.message : String(error);
      throw new SkerryError("CLUSTER_UNAVAILABLE", `${method} ${path.replace(/\?.*$/, "")}: ${why}`, { cause: error });
    }
  }
}

/** The `message` of a Status object, cut to what a log line can carry. */
export function messageIn(body: unknown): string {
  const isStatus = typeof body === "object" && body !== null && "message" in body;
  return isStatus && typeof body.message === "string" ? body.message.slice(0, 300) : "";
}

function send(url: URL, body: object | undefined, options: RequestOptions): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, options, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.byteLength;
        if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is over 64 MiB"));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("end", () => {
        try {
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(parts).toString("utf8") || "null"),
          });
        } catch (error) {
          reject(new Error(`the answer of status ${response.statusCode} is not JSON`, { cause: error }));
        }
      });
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
