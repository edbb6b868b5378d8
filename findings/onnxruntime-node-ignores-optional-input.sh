#!/usr/bin/env bash
# Surprise: an ONNX graph may give an input a default value (an initializer of the same name); a caller may override it.
# Python's onnxruntime does. onnxruntime-node accepts the value for such an input without a word and computes with the
# default: the answer is wrong, and nothing says so.
#
# Seen with onnxruntime-node 1.30.0 (Node 20.20.2) and onnxruntime 1.30.0 for Python on the same file: y = x * w, w = 1
# by default, fed x = 2 and w = 5. This script ends with 0 while Python says 10 and Node says 2, and with 1 as soon as that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.30.0
cat >make.py <<'PY'
import numpy, onnx, onnxruntime
from onnx import TensorProto, helper

one = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
graph = helper.make_graph(
    [helper.make_node("Mul", ["x", "w"], ["y"])],
    "optional",
    [one("x"), one("w")],
    [one("y")],
    [helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "optional.onnx")
session = onnxruntime.InferenceSession("optional.onnx")
feed = {"x": numpy.array([2], numpy.float32), "w": numpy.array([5], numpy.float32)}
print(session.run(None, feed)[0][0])
PY
python=$(venv/bin/python make.py)
npm init -y >/dev/null
npm install --silent --ignore-scripts onnxruntime-node@1.30.0 >/dev/null
cat >run.mjs <<'JS'
import { InferenceSession, Tensor } from "onnxruntime-node";
const session = await InferenceSession.create("optional.onnx");
const { y } = await session.run({ x: new Tensor("float32", [2], [1]), w: new Tensor("float32", [5], [1]) });
console.log(y.data[0]);
JS
node=$(node run.mjs)
echo "Python: $python, Node: $node"
[[ $python == 10.0 && $node == 2 ]]
