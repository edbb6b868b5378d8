#!/usr/bin/env bash
# Surprise: where the middle of a pixel falls exactly between two pixels of the source, Pillow's NEAREST takes now the left and now the
# right one, since it adds up the steps of a row instead of multiplying. So no `nearest_mode` of ONNX's Resize equals it for all sizes, and
# a model whose training resized with Pillow sees other pixels when the step is moved into the graph: 6 pixels to 7 needs
# round_prefer_ceil, 8 to 7 round_prefer_floor.
#
# Seen with Pillow 13.0.0 and onnxruntime 1.30.0 (`half_pixel`) on rows of 6 and 8 different values. This script prints what each takes
# for the middle one of 7, ends with 0 while they differ in that way, and with 1 as soon as it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pillow==13.0.0 onnxruntime==1.30.0 onnx==1.23.1 numpy
cat >ties.py <<'PY'
import numpy, onnx, onnxruntime
from onnx import TensorProto, helper
from PIL import Image

def by_onnx(row, to, mode):
    values = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [1, to])
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest",
                            coordinate_transformation_mode="half_pixel", nearest_mode=mode)
    graph = helper.make_graph([node], "resize", [values("x", [1, len(row)])], [values("y", [1, to])], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": row.reshape(1, -1)})[0][0].astype(int)

for width in (6, 8):
    row = numpy.arange(width, dtype=numpy.float32)
    pillow = numpy.asarray(Image.fromarray(row.reshape(1, -1)).resize((7, 1), Image.NEAREST))[0].astype(int)
    modes = [by_onnx(row, 7, mode) for mode in ("round_prefer_floor", "round_prefer_ceil")]
    print(width, pillow[3], modes[0][3], modes[1][3])
PY
seen=$(venv/bin/python ties.py)
printf 'from, Pillow, ONNX prefer_floor, ONNX prefer_ceil:\n%s\n' "$seen"
[[ $seen == $'6 3 2 3\n8 3 3 4' ]]
