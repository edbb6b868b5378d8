"""A model for Triton: the sum of each row. A negative number in the first place keeps it busy for so many seconds."""

import time

import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        x = triton.get_input_tensor_by_name(request, "x").as_numpy()
        if x[0][0] < 0:
            time.sleep(-x[0][0])
        return triton.InferenceResponse([triton.Tensor("y", x.sum(axis=1, keepdims=True))])
