import { z } from "zod";
import { parseExactly } from "../api/exact-json.ts";
import { encodeRequest, type EncodedRequest } from "./request.ts";

const header = z.looseObject({ parameters: z.looseObject({}).default({}) });

/** The request with the method in its parameters; as it is for the version's default. What it says itself stays. */
export function withMethod(request: EncodedRequest, method: string | undefined): EncodedRequest {
  if (method === undefined) return request;
  const { content, headerLength = content.length } = request;
  const { parameters, ...rest } = header.parse(
    parseExactly(new TextDecoder().decode(content.subarray(0, headerLength))),
  );
  const blobs = headerLength === content.length ? [] : [content.subarray(headerLength)];
  return encodeRequest({ ...rest, parameters: { ...parameters, skerry_explain: method } }, blobs);
}
