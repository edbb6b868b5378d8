#!/usr/bin/env bash
# Surprise: since opset 18 a graph can make pictures smaller as Pillow does: Resize with antialias = 1. Inside the picture
# the numbers are Pillow's. In the outermost pixels they are not, by up to 11 of 255 here, unless exclude_outside is 1 too:
# by default onnxruntime, and the reference of ONNX, let the pixels of the border count again for those beyond it, while Pillow
# leaves these out and weighs the rest anew. A test with a smooth picture, or one that compares the middle, does not see it.
#
# Seen with onnxruntime 1.32.0, onnx 1.23.2 and Pillow 13.0.0, 64 × 64 pixels of noise to 28 × 28, linear and cubic (with
# Pillow's coefficient, -0.5). This script ends with 0 while only exclude_outside = 1 equals Pillow, and with 1 as soon as
# that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 pillow==13.0.0
cat >run.py <<'PY'
import numpy as np, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

picture = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.float32)
size = numpy_helper.from_array(np.array([1, 1, 28, 28], np.int64), "size")
kinds = {"linear": (Image.BILINEAR, {}), "cubic": (Image.BICUBIC, {"cubic_coeff_a": -0.5})}
is_as_before = True
for mode, (method, attributes) in kinds.items():
    pillow = np.array(Image.fromarray(picture).resize((28, 28), method))
    for exclude_outside in (0, 1):
        node = helper.make_node(
            "Resize", ["x", "", "", "size"], ["y"],
            mode=mode, antialias=1, exclude_outside=exclude_outside, **attributes,
        )
        graph = helper.make_graph(
            [node], "resize",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 64, 64])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 28, 28])],
            [size],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
        feed = {"x": picture[None, None]}
        runtimes = {
            "onnxruntime": onnxruntime.InferenceSession(model.SerializeToString()),
            "reference": ReferenceEvaluator(model),
        }
        for name, runtime in runtimes.items():
            difference = np.abs(runtime.run(None, feed)[0][0, 0] - pillow)
            inside, everywhere = difference[2:-2, 2:-2].max(), difference.max()
            print(f"{mode}, exclude_outside {exclude_outside}, {name}: inside {inside:.4f}, everywhere {everywhere:.4f}")
            is_as_before &= inside < 0.001 and (everywhere < 0.001) == (exclude_outside == 1)
if not is_as_before:
    raise SystemExit("This has changed.")
PY
venv/bin/python run.py
