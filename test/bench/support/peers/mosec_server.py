"""An ONNX file behind mosec, with the path and the bodies of the Open Inference Protocol.

Its settings come as JSON in BENCH_PEER, because mosec reads the command line itself and imports this file again in each
worker process: file, name, processes, maxBatch, and json, the module that reads and writes JSON.
"""

import importlib
import json
import os

import numpy
import onnxruntime
from mosec import Server, Worker

SETTINGS = json.loads(os.environ["BENCH_PEER"])
MAX_BATCH = SETTINGS["maxBatch"]
CODEC = importlib.import_module(SETTINGS["json"])


class Model(Worker):
    def __init__(self):
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(SETTINGS["file"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def deserialize(self, data):
        entry = CODEC.loads(data)["inputs"][0]
        return numpy.asarray(entry["data"], dtype=numpy.float32).reshape(entry["shape"])

    def forward(self, data):
        """One request's rows; with batching a list of them, one item for each request."""
        if MAX_BATCH == 1:
            return self.session.run(self.outputs, {self.input: data})
        results = self.session.run(self.outputs, {self.input: numpy.concatenate(data)})
        ends = numpy.cumsum([len(rows) for rows in data])[:-1]
        return list(zip(*(numpy.split(result, ends) for result in results)))

    def serialize(self, data):
        outputs = [
            {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}
            for name, values in zip(self.outputs, data)
        ]
        text = CODEC.dumps({"model_name": SETTINGS["name"], "outputs": outputs})
        return text if isinstance(text, bytes) else text.encode()


if __name__ == "__main__":
    server = Server()
    # One millisecond is the shortest wait for a batch that mosec knows.
    server.append_worker(
        Model,
        num=SETTINGS["processes"],
        max_batch_size=MAX_BATCH,
        max_wait_time=1,
        route=f"/v2/models/{SETTINGS['name']}/infer",
    )
    server.run()
