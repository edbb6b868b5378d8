"""An encoder by onnxruntime and tokenizers alone, with one thread. Prints its CPU time for each text in ms as JSON.

bare_encoder.py FOLDER TEXTS_TOGETHER RUNS TEXT…
"""

import json
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

folder, together, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
texts = [sys.argv[4:][i % len(sys.argv[4:])] for i in range(together)]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_truncation()
tokenizer.enable_padding()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)


def embed():
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([each.ids for each in encoded], dtype=np.int64)
    mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(None, feeds)[0]
    pooled = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)


for _ in range(5):
    embed()
before = time.process_time()
for _ in range(runs):
    embed()
print(json.dumps({"msPerText": (time.process_time() - before) * 1000 / runs / together}))
