import {
  credentials,
  type Client,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import path from "node:path";
import { LOADER_OPTIONS } from "../../../shared/inference/grpc/server-options.ts";

const PROTO = path.join(import.meta.dirname, "../../../shared/inference/grpc/open-inference.proto");

export interface GrpcAnswer {
  /** Undefined when the call failed. */
  // eslint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test
  readonly message: any;
  readonly error: ServiceError | undefined;
  /** Metadata before the message. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Metadata of a failure. */
  readonly trailers: Readonly<Record<string, unknown>>;
}

interface Options {
  readonly key?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

type Method = (...args: readonly unknown[]) => {
  on(event: string, listener: (value: never) => void): unknown;
  cancel(): void;
};

/** Calls the service as any client of the protocol would. */
export class GrpcClient {
  readonly #client: Client;
  readonly #methods: readonly string[];

  /** `authority`: PEM, by which the server is verified; without one, TLS is not used. */
  constructor(port: number, authority?: string) {
    const { inference } = loadPackageDefinition(loadSync(PROTO, LOADER_OPTIONS));
    const { GRPCInferenceService: Service } = inference as Readonly<Record<string, ServiceClientConstructor>>;
    if (Service === undefined) throw new Error("the proto has no service");
    this.#methods = Object.keys(Service.service);
    this.#client = new Service(
      `127.0.0.1:${port}`,
      authority === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(authority)),
    );
  }

  /** The names of all methods that the service has. */
  methods(): readonly string[] {
    return this.#methods;
  }

  call(method: string, message: object = {}, options: Options = {}): Promise<GrpcAnswer> {
    return new Promise((resolve) => {
      let headers: Readonly<Record<string, unknown>> = {};
      const call = this.#method(method)(
        message,
        metadataOf(options),
        callOptions(options),
        (error: ServiceError | null, answer: unknown) =>
          resolve({ message: answer, error: error ?? undefined, headers, trailers: error?.metadata?.getMap() ?? {} }),
      );
      call.on("metadata", (metadata: Metadata) => (headers = metadata.getMap()));
    });
  }

  /** A call that is taken back as soon as `when` resolves. Resolves with its status. */
  cancelled(
    method: string,
    message: object,
    when: Promise<unknown>,
    options: Options = {},
  ): Promise<number | undefined> {
    return new Promise((resolve) => {
      const call = this.#method(method)(message, metadataOf(options), {}, (error: ServiceError | null) =>
        resolve(error?.code),
      );
      void when.then(() => call.cancel());
    });
  }

  /** All answers of a stream to which `messages` were written at once. */
  stream(method: string, messages: readonly object[], options: Options = {}): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      const answers: unknown[] = [];
      const call = this.#method(method)(metadataOf(options), callOptions(options)) as ReturnType<Method> & {
        write(message: object): void;
        end(): void;
      };
      call.on("data", (answer: unknown) => answers.push(answer));
      call.on("end", () => resolve(answers));
      call.on("error", (error: Error) => reject(error));
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  close(): void {
    this.#client.close();
  }

  #method(name: string): Method {
    return (Reflect.get(this.#client, name) as Method).bind(this.#client);
  }
}

function metadataOf({ key, metadata = {} }: Options): Metadata {
  const made = new Metadata();
  if (key !== undefined) made.set("authorization", `Bearer ${key}`);
  for (const [name, value] of Object.entries(metadata)) made.set(name, value);
  return made;
}

const callOptions = ({ timeoutMs }: Options): object =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
