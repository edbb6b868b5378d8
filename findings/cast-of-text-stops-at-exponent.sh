#!/usr/bin/env bash
# Surprise: onnxruntime's Cast from text to whole numbers reads "1e3" as 1 and "1E8" as 1, without an error: it stops at the
# first character that no whole number has. The same text cast to float is 1000 and 1e8. So a model that takes features as
# text, as those exported from tables often do, is wrong by orders of magnitude for a client that writes its numbers with an exponent.
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

texts = np.array(["1e3", "1E8", "100.5"], object)
for name in ("INT64", "INT32", "FLOAT", "DOUBLE"):
    kind = getattr(TensorProto, name)
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=kind)],
        "cast",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [3])],
        [helper.make_tensor_value_info("y", kind, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    print(name, session.run(None, {"x": texts})[0].tolist())
PY
venv/bin/python run.py | tee seen.txt
diff - seen.txt <<'TXT' || { echo "This has changed."; exit 1; }
INT64 [1, 1, 100]
INT32 [1, 1, 100]
FLOAT [1000.0, 100000000.0, 100.5]
DOUBLE [1000.0, 100000000.0, 100.5]
TXT
