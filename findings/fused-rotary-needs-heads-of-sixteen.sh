#!/usr/bin/env bash
# Surprise: onnxruntime's fused attention for decoders (GroupQueryAttention) takes heads of 24 or 40 values on a CPU, and its
# RotaryEmbedding operator takes them too; but attention that rotates by itself (do_rotary = 1, as exporters write it)
# refuses every head that is no multiple of 16. It does so at the first run: the session is made without a word, so a check
# that only loads such a model says that it is fine.
#
# Seen with onnxruntime 1.30.0 for Python, two heads, one head of keys, three tokens, no past. This script ends with 0 while
# heads of 24 pass alone, pass through RotaryEmbedding, load with do_rotary and fail at the first run, and heads of 32 pass
# everywhere; with 1 as soon as that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.30.0
cat >try.py <<'PY'
import numpy, onnxruntime
from onnx import TensorProto, helper

onnxruntime.set_default_logger_severity(4)
HEADS, TOKENS = 2, 3
floats = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
ints = lambda name, shape, kind: helper.make_tensor_value_info(name, kind, shape)


def session(nodes, inputs, outputs, size):
    tables = [helper.make_tensor(name, TensorProto.FLOAT, [8, size // 2], numpy.ones(4 * size)) for name in ("cos", "sin")]
    graph = helper.make_graph(nodes, "attention", inputs, outputs, tables)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


def attention(size, rotates):
    names = ["q", "k", "v", "past_k", "past_v", "last", "total", *(["cos", "sin"] if rotates else [])]
    node = helper.make_node(
        "GroupQueryAttention", names, ["y", "present_k", "present_v"], domain="com.microsoft",
        num_heads=HEADS, kv_num_heads=1, do_rotary=int(rotates),
    )
    inputs = [
        floats("q", [1, TOKENS, HEADS * size]), floats("k", [1, TOKENS, size]), floats("v", [1, TOKENS, size]),
        floats("past_k", [1, 1, "past", size]), floats("past_v", [1, 1, "past", size]),
        ints("last", [1, 1], TensorProto.INT32), ints("total", [1], TensorProto.INT32),
    ]
    outputs = [floats("y", [1, TOKENS, HEADS * size]), *(floats(n, [1, 1, "all", size]) for n in ("present_k", "present_v"))]
    made = session([node], inputs, outputs, size)
    empty = numpy.zeros((1, 1, 0, size), numpy.float32)
    row = lambda width: numpy.ones((1, TOKENS, width), numpy.float32)
    feed = {
        "q": row(HEADS * size), "k": row(size), "v": row(size), "past_k": empty, "past_v": empty,
        "last": numpy.array([[TOKENS - 1]], numpy.int32), "total": numpy.array([TOKENS], numpy.int32),
    }
    return lambda: made.run(None, feed)


def rotary(size):
    node = helper.make_node(
        "RotaryEmbedding", ["x", "at", "cos", "sin"], ["y"], domain="com.microsoft", num_heads=HEADS, rotary_embedding_dim=size
    )
    inputs = [floats("x", [1, TOKENS, HEADS * size]), ints("at", [1, TOKENS], TensorProto.INT64)]
    made = session([node], inputs, [floats("y", [1, TOKENS, HEADS * size])], size)
    feed = {"x": numpy.ones((1, TOKENS, HEADS * size), numpy.float32), "at": numpy.arange(TOKENS)[None]}
    return lambda: made.run(None, feed)


def said(make):
    try:
        run = make()
    except Exception:
        return "refused at load"
    try:
        run()
    except Exception:
        return "refused at run"
    return "passed"


for size in (24, 32, 40):
    tries = (lambda: attention(size, False), lambda: rotary(size), lambda: attention(size, True))
    print(size, *(said(each) for each in tries), sep=" | ")
PY
seen=$(venv/bin/python try.py)
echo "head | attention | rotary alone | attention that rotates"
echo "$seen"
[[ $seen == "24 | passed | passed | refused at run
32 | passed | passed | passed
40 | passed | passed | refused at run" ]]
