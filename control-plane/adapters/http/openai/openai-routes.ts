import { z } from "zod";
import { openAiModel, openAiModels } from "../../../../shared/openai/http/model-list.ts";
import { embeddingList } from "../../../../shared/openai/embedding-answer.ts";
import { embeddingRequest } from "../../../../shared/openai/embedding-request.ts";
import { generateRequest, generateResponse } from "../../../../shared/openai/generate.ts";
import { chatRequest, completionRequest } from "../../../../shared/openai/requests.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { STREAM_TYPE } from "../server/event-stream.ts";

const TAG = "OpenAI API";

/** The OpenAI API as the role matrix and the OpenAPI document have it; it is answered ahead of Express. */
export const openAiRoutes = (): Route[] => [
  defineRoute({
    method: "GET",
    path: "/v1/models",
    summary: "Names that a request may have as its model: models of texts with a deployment, and their aliases",
    tag: TAG,
    action: "models.read",
    answer: openAiModels,
    statuses: [200],
    handle: answeredElsewhere,
  }),
  defineRoute({
    method: "GET",
    path: "/v1/models/{id}",
    summary: "One of these names",
    tag: TAG,
    action: "models.read",
    params: z.strictObject({ id: z.string() }),
    answer: openAiModel,
    statuses: [200],
    handle: answeredElsewhere,
  }),
  defineRoute({
    method: "POST",
    path: "/v1/chat/completions",
    summary: "The next message of a conversation, whole or as a stream of events",
    tag: TAG,
    action: "models.invoke",
    body: chatRequest,
    answer: z.object({}),
    streams: [STREAM_TYPE],
    statuses: [200],
    handle: answeredElsewhere,
  }),
  defineRoute({
    method: "POST",
    path: "/v1/completions",
    summary: "The text that follows a text, whole or as a stream of events",
    tag: TAG,
    action: "models.invoke",
    body: completionRequest,
    answer: z.object({}),
    streams: [STREAM_TYPE],
    statuses: [200],
    handle: answeredElsewhere,
  }),
  defineRoute({
    method: "POST",
    path: "/v1/embeddings",
    summary: "Embeddings of a text or of several",
    tag: TAG,
    action: "models.invoke",
    body: embeddingRequest,
    answer: embeddingList,
    statuses: [200],
    handle: answeredElsewhere,
  }),
  ...["/v2/models/{model}", "/v2/models/{model}/versions/{version}"].flatMap((model) => [
    defineRoute({
      method: "POST",
      path: `${model}/generate`,
      summary: "The text that follows a text, from a model that writes text",
      tag: "Open Inference Protocol",
      action: "models.invoke",
      params: paramsOf(model),
      body: generateRequest,
      answer: generateResponse,
      statuses: [200],
      handle: answeredElsewhere,
    }),
    defineRoute({
      method: "POST",
      path: `${model}/generate_stream`,
      summary: "The same as a stream of events, each with the next part of the text",
      tag: "Open Inference Protocol",
      action: "models.invoke",
      params: paramsOf(model),
      body: generateRequest,
      answer: generateResponse,
      streams: [STREAM_TYPE],
      statuses: [200],
      handle: answeredElsewhere,
    }),
  ]),
];

const paramsOf = (path: string) =>
  path.endsWith("{version}")
    ? z.strictObject({ model: z.string(), version: z.string() })
    : z.strictObject({ model: z.string() });

async function answeredElsewhere(): Promise<never> {
  throw new Error("the OpenAI API is answered ahead of Express");
}
