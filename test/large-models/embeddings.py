"""Embeddings through /v1 beside sentence-transformers' arithmetic, redone with onnxruntime and tokenizers. Prints a line for each check."""

import json
import sys

import numpy as np
import onnxruntime
import openai
from tokenizers import Tokenizer

base_url, key, model, folder = sys.argv[1:5]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

TEXTS = [
    "A harbour at night, seen from the control room.",
    "Die Pumpe auf der zweiten Insel meldet hohen Druck, überall Größen & Maße.",
    "L'été déjà passé, cœur naïf — 12 345,67 €",
    "Капитан порта просит помощи до шторма.",
    "Το λιμάνι τη νύχτα",
    "一个边缘节点失去连接，请检查。",
    "港の夜、制御室から見た景色。ｶﾀｶﾅ",
    "밤의 항구, 제어실에서 본 모습",
    "الميناء في الليل",
    "הנמל בלילה",
    "रात में बंदरगाह",
    "ท่าเรือยามค่ำคืน",
    "Zero\u200bwidth, e\u0301 combining, ﬁ ligature, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🚢🌊 👩‍🚒",
    "[SEP] inside [CLS] text [MASK] ##ing",
    "tabs\tand\nnew lines \u00a0 and   spaces",
    "x" * 150 + " supercalifragilisticexpialidocious",
    "a",
    "The pump on island two reports high pressure and asks for help before the storm. " * 12,
]

tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)


def alone(text):
    encoded = tokenizer.encode(text)
    ids = np.array([encoded.ids], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    vector = session.run(None, feeds)[0][0].mean(axis=0)
    return vector / np.linalg.norm(vector), len(encoded.ids)


def check(name, holds, why=""):
    print("ok" if holds else "FAILED", name, "" if holds else why)


def apart(one, other):
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


expected = [alone(text) for text in TEXTS]
for format in ("float", "base64"):
    answer = client.embeddings.create(model=model, input=TEXTS, encoding_format=format)
    vectors = [np.frombuffer(__import__("base64").b64decode(each.embedding), "<f4") if isinstance(each.embedding, str) else each.embedding
               for each in answer.data]
    worst = max(apart(vector, wanted) for vector, (wanted, _) in zip(vectors, expected))
    check(f"equal to Python's, as {format}", worst <= 1e-5, worst)
    check(f"tokens, as {format}", answer.usage.prompt_tokens == answer.usage.total_tokens == sum(n for _, n in expected), answer.usage)

answer = client.embeddings.create(model=model, input=TEXTS)
check("equal to Python's, as the client asks by itself", max(apart(e.embedding, w) for e, (w, _) in zip(answer.data, expected)) <= 1e-5)
check("the model and the order", answer.model == model and [each.index for each in answer.data] == list(range(len(TEXTS))))
for text, (wanted, _) in zip(TEXTS[:3], expected):
    check("one text alone", apart(client.embeddings.create(model=model, input=text).data[0].embedding, wanted) <= 1e-5)
ids = [tokenizer.encode(text).ids for text in TEXTS]
answer = client.embeddings.create(model=model, input=ids)
check("tokens in the place of texts", max(apart(e.embedding, w) for e, (w, _) in zip(answer.data, expected)) <= 1e-5)

for name, expected_error, call in [
    ("an unknown model", openai.NotFoundError, lambda: client.embeddings.create(model="nobody", input="x")),
    ("a text beyond the limit", openai.BadRequestError, lambda: client.embeddings.create(model=model, input="harbour " * 300)),
    ("dimensions", openai.BadRequestError, lambda: client.embeddings.create(model=model, input="x", dimensions=64)),
    ("an empty text", openai.BadRequestError, lambda: client.embeddings.create(model=model, input="")),
    ("a chat", openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])),
]:
    try:
        call()
        check(name, False)
    except expected_error as error:
        check(name, bool(error.body and error.body.get("message")))
check("the list of models", model in [each.id for each in client.models.list()])
