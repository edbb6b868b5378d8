import { type Datatype, type Tensor, zeroNumbers } from "../../../shared/inference/tensors/datatypes.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { decodeResponse } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ApiClient } from "../../api/client.ts";

/** The outputs of all requests, joined along their rows. */
export async function runAll(
  api: ApiClient,
  path: string,
  requests: readonly (readonly Tensor[])[],
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly Tensor[]> {
  const parts: (readonly Tensor[])[] = [];
  for (const tensors of requests) parts.push(await runOne(api, path, tensors, headers));
  const [first = []] = parts;
  return first.map((tensor, i) =>
    join(
      parts.flatMap((part) => part[i] ?? []),
      tensor,
    ),
  );
}

async function runOne(
  api: ApiClient,
  path: string,
  tensors: readonly Tensor[],
  headers: Readonly<Record<string, string>>,
): Promise<readonly Tensor[]> {
  const inputs = tensors.map((tensor) => ({ tensor, binary: true }));
  const { body, headerLength } = encodeRequest({ inputs, binaryOutput: true });
  const answer = await api.exchange("POST", path, {
    bytes: { type: "application/octet-stream", content: new Uint8Array(body) },
    headers: { ...headers, "Inference-Header-Content-Length": String(headerLength) },
  });
  const length = answer.headers.get("inference-header-content-length");
  return decodeResponse(answer.body, length === null ? JSON_BODY : Number(length)).outputs;
}

function join(parts: readonly Tensor[], { name, datatype, shape }: Tensor): Tensor {
  const [only, ...more] = parts;
  if (only && more.length === 0) return only;
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 1), 0);
  return { name, datatype, shape: [rows, ...shape.slice(1)], data: joinData(datatype, parts) };
}

function joinData(datatype: Datatype, parts: readonly Tensor[]): Tensor["data"] {
  if (datatype === "BYTES") return parts.flatMap(({ data }) => Array.from(data, String));
  const out = zeroNumbers(
    datatype,
    parts.reduce((sum, { data }) => sum + data.length, 0),
  );
  let at = 0;
  for (const { data } of parts) {
    for (const value of data) {
      if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[at] = BigInt(value);
      else out[at] = Number(value);
      at += 1;
    }
  }
  return out;
}
