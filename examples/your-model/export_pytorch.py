"""Writes a PyTorch model with the exporter's default options: model.onnx and, beside it, model.onnx.data.

    pip install torch onnx onnxscript onnxruntime
    python export_pytorch.py             # 1 MB
    python export_pytorch.py --width 6100  # 300 MB: what resumes shows only in a large file

It also writes request.json, a request with one row, and prints what ONNX Runtime in Python answers to it.
"""

import argparse
import json

import numpy
import onnxruntime
import torch

options = argparse.ArgumentParser()
options.add_argument("--width", type=int, default=350, help="neurons of each hidden layer")
width = options.parse_args().width

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(10, width),
    torch.nn.ReLU(),
    torch.nn.Linear(width, width),
    torch.nn.ReLU(),
    torch.nn.Linear(width, width),
    torch.nn.ReLU(),
    torch.nn.Linear(width, 3),
).eval()

row = torch.linspace(-1, 1, 10).reshape(1, 10)
torch.onnx.export(model, (row,), "model.onnx")

session = onnxruntime.InferenceSession("model.onnx")
(first,) = session.get_inputs()
values = row.numpy().astype(numpy.float32)
request = {"inputs": [{"name": first.name, "shape": [1, 10], "datatype": "FP32", "data": values.ravel().tolist()}]}
with open("request.json", "w", encoding="utf-8") as file:
    json.dump(request, file)

print("local prediction:", [float(value) for value in session.run(None, {first.name: values})[0].ravel()])
