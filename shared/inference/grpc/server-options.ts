/** Names, parameters and the frame of a message, beside its tensors. */
const MESSAGE_OVERHEAD_BYTES = 65_536;

/** How grpc-js serves at the control plane and at the node. `maxBodyBytes`: of a request's tensors. */
export const serverOptions = (maxBodyBytes: number) => ({
  "grpc.max_receive_message_length": maxBodyBytes + MESSAGE_OVERHEAD_BYTES,
  /** An answer is as long as its model makes it; the model host bounds it. */
  "grpc.max_send_message_length": -1,
  /** Calls of one connection at once; the client queues what is beyond. */
  "grpc.max_concurrent_streams": 1_024,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
});

/** How the loader turns messages into objects: `messages.ts` is written for it. */
export const LOADER_OPTIONS = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: true,
} as const;
