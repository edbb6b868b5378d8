"""An ONNX file in Triton's Python backend; `model.onnx` lies beside this file."""

import os

import numpy
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def execute(self, requests):
        """The requests that Triton's dynamic batcher put together share one run."""
        rows = [triton.get_input_tensor_by_name(request, self.input).as_numpy() for request in requests]
        results = self.session.run(self.outputs, {self.input: numpy.concatenate(rows)})
        ends = numpy.cumsum([len(each) for each in rows])[:-1]
        return [
            triton.InferenceResponse([triton.Tensor(name, values) for name, values in zip(self.outputs, shares)])
            for shares in zip(*(numpy.split(result, ends) for result in results))
        ]
