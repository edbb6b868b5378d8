#!/usr/bin/env bash
# Surprise: onnxruntime's linear Resize of uint8 pictures cuts off what is behind the point, so that a picture gets darker by
# half a step on average; with antialias = 1, which changes nothing else when a picture grows, it rounds. The reference of ONNX
# rounds in both. A graph that resizes the bytes of a picture thus gives other numbers than one that resizes them as floats.
#
# Seen with onnxruntime 1.32.0 and onnx 1.23.2 for Python on Linux x64 (CPU). This script ends with 0 while that is so, and
# with 1 as soon as that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >run.py <<'PY'
import numpy as np, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

scales = numpy_helper.from_array(np.array([1, 1, 1, 2], np.float32), "scales")
row = [[[[0, 3, 10, 255]]]]


def run(kind, antialias):
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear", antialias=antialias)],
        "resize",
        [helper.make_tensor_value_info("x", kind, [1, 1, 1, 4])],
        [helper.make_tensor_value_info("y", kind, [1, 1, 1, 8])],
        [scales],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    feed = {"x": np.array(row, dtype)}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [each.run(None, feed)[0].ravel().tolist() for each in (session, ReferenceEvaluator(model))]


for antialias in (0, 1):
    for kind, name in ((TensorProto.FLOAT, "float"), (TensorProto.UINT8, "uint8")):
        ours, reference = run(kind, antialias)
        print(f"antialias {antialias}, {name}: onnxruntime {ours}, reference {reference}")
PY
venv/bin/python run.py | tee seen.txt
diff - seen.txt <<'TXT' || { echo "This has changed."; exit 1; }
antialias 0, float: onnxruntime [0.0, 0.75, 2.25, 4.75, 8.25, 71.25, 193.75, 255.0], reference [0.0, 0.75, 2.25, 4.75, 8.25, 71.25, 193.75, 255.0]
antialias 0, uint8: onnxruntime [0, 0, 2, 4, 8, 71, 193, 255], reference [0, 1, 2, 5, 8, 71, 194, 255]
antialias 1, float: onnxruntime [0.0, 0.75, 2.25, 4.75, 8.25, 71.25, 193.75, 255.0], reference [0.0, 0.75, 2.25, 4.75, 8.25, 71.25, 193.75, 255.0]
antialias 1, uint8: onnxruntime [0, 1, 2, 5, 8, 71, 194, 255], reference [0, 1, 2, 5, 8, 71, 194, 255]
TXT
