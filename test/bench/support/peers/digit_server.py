"""A digit from a JPEG with FastAPI, Pillow and ONNX Runtime: the body is the file. DIGITS names the graph; `?draft=1` decodes what 28 × 28 pixels need."""

import io
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from PIL import Image

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["DIGITS"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.get("/ready")
async def ready():
    return {}


@app.post("/infer")
async def infer(request: Request, draft: bool = False):
    picture = Image.open(io.BytesIO(await request.body()))
    if draft:
        picture.draft("L", (28, 28))
    picture = picture.convert("L")
    if picture.size != (28, 28):
        picture = picture.resize((28, 28), Image.Resampling.BILINEAR)
    tensor = np.asarray(picture, dtype=np.float32)[None, None] / np.float32(255)
    (probabilities,) = session.run(None, {"image": tensor})
    best = int(probabilities[0].argmax())
    return {"decision": str(best), "confidence": float(probabilities[0][best])}
