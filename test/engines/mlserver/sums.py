"""A model for MLServer: the sum of each row. A negative number in the first place makes it fail."""

import asyncio

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse


class Sums(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0])
        if x.ndim != 2 or x.shape[1] != 3:
            raise InferenceError(f"x has the shape {list(x.shape)}")
        if x[0][0] == -1:
            raise RuntimeError("the model broke")
        if x[0][0] == -2:
            await asyncio.sleep(3600)
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output("y", x.sum(axis=1))],
        )
