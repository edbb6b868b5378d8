#!/usr/bin/env bash
# Surprise: whether a NaN among a model's scores shows in its answer depends on where it is. ArgMax and ReduceMax of
# onnxruntime answer with the NaN when it is the first of the row, and pass over it anywhere else: a class that was not
# computed loses without a word, unless it is class 0, which then always wins. NumPy answers with it wherever it is, so a check
# that is written in Python does not see what is served.
#
# Seen with onnxruntime 1.32.0 for Python on Linux x64 (CPU). This script ends with 0 while that is so, and with 1 as soon
# as that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >run.py <<'PY'
import numpy as np, onnxruntime
from onnx import TensorProto, helper


def run(op, x, output=TensorProto.FLOAT, **attributes):
    x = np.array(x, np.float32)
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], **attributes)],
        op,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", output, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0].ravel().tolist()


nan = float("nan")
for row in ([nan, 2, 7], [2, nan, 7], [2, 7, nan]):
    print("ArgMax", row, run("ArgMax", [row], TensorProto.INT64, axis=1)[0], "NumPy", int(np.argmax(row)))
for row in ([nan, 2, 7], [2, nan, 7], [2, 7, nan]):
    print("ReduceMax", row, run("ReduceMax", [row], axes=[1])[0], "NumPy", float(np.max(row)))
PY
venv/bin/python run.py | tee seen.txt
diff - seen.txt <<'TXT' || { echo "This has changed."; exit 1; }
ArgMax [nan, 2, 7] 0 NumPy 0
ArgMax [2, nan, 7] 2 NumPy 1
ArgMax [2, 7, nan] 1 NumPy 2
ReduceMax [nan, 2, 7] nan NumPy nan
ReduceMax [2, nan, 7] 7.0 NumPy nan
ReduceMax [2, 7, nan] 7.0 NumPy nan
TXT
