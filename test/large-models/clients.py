"""The clients of PyPI, unchanged: openai and litellm against a base URL and a key. Prints a line for each check."""

import json
import os
import sys

# Else it looks for a list of prices on the internet first.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import openai

base_url, key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
messages = [{"role": "user", "content": "Say hello."}]


def check(name, holds):
    print(("ok" if holds else "FAILED"), name)


check("models", model in [each.id for each in client.models.list()])

answer = client.completions.create(model=model, prompt="The capital of France is", max_tokens=4, temperature=0)
check("completion", "Paris" in answer.choices[0].text and answer.usage.completion_tokens == 4)

answer = client.chat.completions.create(model=model, messages=messages, max_tokens=6, temperature=0, n=2, seed=1)
check("choices", len(answer.choices) == 2 and answer.choices[0].finish_reason in ("length", "stop"))

options = {"include_usage": True}
chunks = list(client.chat.completions.create(model=model, messages=messages, max_tokens=6, stream=True, stream_options=options))
check("usage in the last chunk alone", chunks[-1].usage.completion_tokens <= 6 and not chunks[-1].choices
      and all(chunk.usage is None for chunk in chunks[:-1]))
chunks = list(client.chat.completions.create(model=model, messages=messages, max_tokens=6, stream=True))
check("no usage unless it is asked for", all(chunk.choices and chunk.usage is None for chunk in chunks))

stop = client.completions.create(model=model, prompt="One, two, three, four,", max_tokens=30, temperature=0, stop=[","])
check("stop", "," not in stop.choices[0].text and stop.choices[0].finish_reason == "stop")

answer = client.chat.completions.create(model=model, messages=messages, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3)
told = answer.choices[0].logprobs.content
check("logprobs", len(told) == answer.usage.completion_tokens and all(
    len(each.top_logprobs) == 3 and each.top_logprobs[0].token == each.token and each.logprob <= 0 for each in told))

schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}
form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
answer = client.chat.completions.create(model=model, messages=messages, max_tokens=100, response_format=form, temperature=0)
check("response_format", list(json.loads(answer.choices[0].message.content)) == ["city"])

for name, expected, call in [
    ("an unknown model", openai.NotFoundError, lambda: client.completions.create(model="nobody", prompt="x")),
    ("a wrong key", openai.AuthenticationError, lambda: client.with_options(api_key="sk_wrong").models.list()),
    ("a prompt beyond the context", openai.BadRequestError, lambda: client.completions.create(model=model, prompt="a " * 20000)),
    ("tools", openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=messages, tools=[
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}])),
]:
    try:
        call()
        check(name, False)
    except expected as error:
        check(name, error.body is not None and error.body.get("message"))

answer = litellm.completion(model=f"openai/{model}", api_base=base_url, api_key=key, messages=messages, max_tokens=6)
check("litellm", answer.choices[0].message.content is not None and answer.usage.completion_tokens <= 6)
text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(
    model=f"openai/{model}", api_base=base_url, api_key=key, messages=messages, max_tokens=6, stream=True))
check("litellm streaming", text != "")
try:
    litellm.completion(model=f"openai/{model}", api_base=base_url, api_key=key, messages=[{"role": "user", "content": "a " * 20000}])
    check("litellm knows a prompt beyond the context", False)
except litellm.ContextWindowExceededError:
    check("litellm knows a prompt beyond the context", True)
