"""The likeliest tokens by Python's onnxruntime, with the graph as it was exported: greedy_onnx.py FOLDER TOKENS < PROMPTS

Reads a JSON list of prompts in tokens and writes a JSON object: `made`, a list of tokens for each, and `msPerToken`, CPU from
the second token on.
"""

import json
import sys
import time

import numpy as np
import onnxruntime

folder, count = sys.argv[1], int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
names = [each.name for each in session.get_inputs()]
outputs = [each.name for each in session.get_outputs()]
pasts = {each.name: each.shape for each in session.get_inputs() if each.name.startswith("past")}

made, used = [], 0.0
for prompt in json.load(sys.stdin):
    cache = {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in pasts.items()}
    ids, length, answer, before = np.array([prompt], np.int64), 0, [], 0.0
    while len(answer) < count:
        size = ids.shape[1]
        feeds = {"input_ids": ids, "attention_mask": np.ones((1, length + size), np.int64), **cache}
        if "position_ids" in names:
            feeds["position_ids"] = np.arange(length, length + size)[None]
        found = dict(zip(outputs, session.run(None, feeds)))
        length += size
        cache = {name: found[name.replace("past_key_values", "present")] for name in pasts}
        answer.append(int(found["logits"][0, -1].argmax()))
        ids = np.array([[answer[-1]]], np.int64)
        if len(answer) == 1:
            before = time.process_time()
    used += time.process_time() - before
    made.append(answer)
print(json.dumps({"made": made, "msPerToken": used * 1e3 / max(1, len(made) * (count - 1))}))
