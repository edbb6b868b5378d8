import { z } from "zod";
import { doubtMeasure } from "./doubt.ts";

/**
 * The requests of the OpenAI API that are served, for text models. A field that would change the answer and is not served
 * is refused unless it asks for nothing; one that changes no answer is taken and named in a header.
 */

const MAX_MESSAGES = 2_048;
const MAX_STOPS = 16;
const MAX_CHOICES = 8;

const MAX_TOOLS = 128;

/** Of a tool that is offered, and of one that is called. */
export const toolName = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, "1 to 64 letters, digits, `_`, `-` and `.`");
const textPart = z.strictObject({ type: z.literal("text", "`text`; other parts are not served"), text: z.string() });
const content = z.union([z.string(), z.array(textPart).min(1)]);
/** A call as the model wrote it; `arguments` is JSON in a text. */
const call = z.strictObject({
  id: z.string().min(1).max(64),
  type: z.literal("function"),
  function: z.strictObject({ name: toolName, arguments: z.string() }),
});
const message = z
  .strictObject({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: content.nullish(),
    name: z.string().optional(),
    refusal: z.null().optional(),
    tool_calls: z.array(call).min(1).max(MAX_TOOLS).nullish(),
    tool_call_id: z.string().max(64).optional(),
  })
  .superRefine(({ role, content: said, tool_calls: calls, tool_call_id: answers }, context) => {
    const fault = (field: string, text: string): void =>
      context.addIssue({ code: "custom", path: [field], message: text });
    if (calls != null && role !== "assistant") fault("tool_calls", "is for messages of the assistant");
    if (said == null && calls == null) fault("content", "is missing");
    if (answers !== undefined && role !== "tool") fault("tool_call_id", "is for messages of the role `tool`");
    if (answers === undefined && role === "tool")
      fault("tool_call_id", "is missing: it names the call that this answers");
  });
export type ChatMessage = z.infer<typeof message>;

const tokens = z.number().int().min(1).max(1_048_576);
const bias = z.number().min(-2).max(2);

/** Asks for nothing: that is how clients send what they do not use. */
const unused = (neutral: z.ZodType, why: string) =>
  z
    .unknown()
    .refine((value) => value === null || neutral.safeParse(value).success, why)
    .optional();
const notServed = (what: string): string => `is not served: ${what}`;

const sampling = {
  temperature: z.number().min(0).max(2).nullish().describe("0: the most likely token each time. Default: 1."),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z
    .number()
    .int()
    .min(0)
    .max(1_000)
    .nullish()
    .describe("Of how many tokens one is drawn; 0: of all. No field of OpenAI's."),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("Tokens less likely than this part of the likeliest are left out. No field of OpenAI's."),
  frequency_penalty: bias.nullish(),
  presence_penalty: bias.nullish(),
  seed: z.number().int().nullish().describe("The same seed gives the same answer while nothing else runs beside it."),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(MAX_STOPS)]).nullish(),
  n: z.number().int().min(1).max(MAX_CHOICES).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  prompt_cache_key: z
    .string()
    .max(512)
    .nullish()
    .describe("Requests with the same key go to the replica that has their prompts in its cache."),
  logit_bias: unused(z.strictObject({}), notServed("leave it out")),
} as const;

/** They change no answer here. */
const noted = {
  user: z.string().max(512).nullish(),
  safety_identifier: z.string().max(512).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  service_tier: z.enum(["auto", "default"]).nullish(),
  store: unused(z.literal(false), notServed("nothing is stored")),
} as const;
export const NOTED_FIELDS = Object.keys(noted);

const model = z.string().min(1).max(192).describe("A model, or one of its versions: NAME, NAME:ALIAS or NAME:NUMBER.");

const schemaFormat = z.strictObject({
  type: z.literal("json_schema"),
  json_schema: z.strictObject({
    name: z.string().max(128),
    description: z.string().optional(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
});
const tool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: toolName,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: unused(z.literal(false), notServed("a model is not kept to the parameters of a tool")),
  }),
});
export type Tool = z.infer<typeof tool>;

const responseFormat = z.union([
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  schemaFormat,
]);
export type ResponseFormat = z.infer<typeof responseFormat>;

export const chatRequest = z
  .strictObject({
    model,
    messages: z.array(message).min(1).max(MAX_MESSAGES),
    max_tokens: tokens.nullish(),
    max_completion_tokens: tokens.nullish().describe("Goes before `max_tokens`. Default: what the context leaves."),
    ...sampling,
    response_format: responseFormat.nullish(),
    logprobs: z.boolean().nullish().describe("How likely each token was when it was drawn."),
    top_logprobs: z.number().int().min(0).max(20).nullish().describe("The likeliest tokens at each place, too."),
    tools: z
      .array(tool)
      .max(MAX_TOOLS)
      .nullish()
      .describe(
        "Functions that the model may ask to be called; 400 of a model whose template has no known form of calls.",
      ),
    tool_choice: unused(z.enum(["none", "auto"]), notServed("a model is not made to call a tool")),
    modalities: unused(z.tuple([z.literal("text")]), notServed("answers are text")),
    ...noted,
  })
  .refine(({ logprobs, top_logprobs: top }) => logprobs === true || top == null || top === 0, {
    path: ["top_logprobs"],
    error: "is for requests with `logprobs: true`",
  })
  .refine(({ logprobs, ...request }) => logprobs !== true || toolsOf(request).length === 0, {
    path: ["logprobs"],
    error: "is not served beside `tools`",
  })
  .refine(
    ({ response_format: format, ...request }) =>
      format == null || format.type === "text" || toolsOf(request).length === 0,
    { path: ["response_format"], error: "is not served beside `tools`" },
  );

/** Those that the model may ask for. */
export const toolsOf = (request: {
  readonly tools?: readonly Tool[] | null | undefined;
  readonly tool_choice?: unknown;
}): readonly Tool[] => (request.tool_choice === "none" ? [] : (request.tools ?? []));

export const completionRequest = z
  .strictObject({
    model,
    prompt: z.union([z.string(), z.array(z.string()).min(1).max(MAX_CHOICES)]),
    max_tokens: tokens.nullish().describe("Default: 16."),
    ...sampling,
    best_of: unused(z.literal(1), notServed("use `n`")),
    echo: unused(z.literal(false), notServed("leave it out")),
    logprobs: z.number().int().min(0).max(5).nullish().describe("So many of the likeliest tokens at each place."),
    suffix: unused(z.literal(""), notServed("leave it out")),
    ...noted,
  })
  .refine(({ prompt, n }) => (typeof prompt === "string" ? 1 : prompt.length) * (n ?? 1) <= MAX_CHOICES, {
    path: ["n"],
    error: `times the number of prompts must be at most ${MAX_CHOICES}`,
  });

/** Whose request it is: only requests of one tenant share what a cache holds. */
const tenant = z.string().max(64).optional();

/** The answer waits until this is measured, and says what was found. */
const doubt = doubtMeasure.optional();

/** What a model host of a text model is asked, in the place of tensors. */
export const textQuestion = z.discriminatedUnion("openai", [
  z.strictObject({ openai: z.literal("chat"), tenant, doubt, request: chatRequest }),
  z.strictObject({
    openai: z.literal("completion"),
    tenant,
    doubt,
    request: completionRequest,
    /** It is answered in the form of the Open Inference Protocol's generate extension. */
    generate: z.strictObject({ id: z.string().optional(), model: z.string(), details: z.boolean() }).optional(),
  }),
]);
export type TextQuestion = z.infer<typeof textQuestion>;
export type TextApi = TextQuestion["openai"];
