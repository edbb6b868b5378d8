"""MLServer has no client class: its codecs with an HTTP library, and its gRPC stub, are what its documentation shows."""
import grpc
import requests
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, StringCodec
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.types import InferenceRequest, InferenceResponse

from support import FLOATS, GRPC, HEADERS, HTTP, INTEGERS, TEXTS, check, same

for model, data in [("floats", FLOATS), ("integers", INTEGERS)]:
    request = InferenceRequest(inputs=[NumpyCodec.encode_input(name="x", payload=data)])
    answer = requests.post(f"{HTTP}/v2/models/{model}/infer", json=request.model_dump(), headers=dict(HEADERS), timeout=30)
    response = InferenceResponse.model_validate(answer.json())
    same(f"REST {model}", NumpyRequestCodec.decode_response(response), data)
request = InferenceRequest(inputs=[StringCodec.encode_input("x", list(TEXTS), use_bytes=False)])
request.inputs[0].shape = [len(TEXTS)]
answer = requests.post(f"{HTTP}/v2/models/texts/infer", json=request.model_dump(), headers=dict(HEADERS), timeout=30)
check("REST texts", StringCodec.decode_output(InferenceResponse.model_validate(answer.json()).outputs[0]) == list(TEXTS))

stub = GRPCInferenceServiceStub(grpc.insecure_channel(GRPC))
metadata = list(HEADERS.items())
check("gRPC live", stub.ServerLive(pb.ServerLiveRequest(), metadata=metadata).live)
check("gRPC ready", stub.ServerReady(pb.ServerReadyRequest(), metadata=metadata).ready)
check("gRPC model ready", stub.ModelReady(pb.ModelReadyRequest(name="floats"), metadata=metadata).ready)
check("gRPC metadata", stub.ModelMetadata(pb.ModelMetadataRequest(name="floats"), metadata=metadata).name == "floats")
typed = pb.ModelInferRequest(
    model_name="floats",
    inputs=[
        pb.ModelInferRequest.InferInputTensor(
            name="x", datatype="FP32", shape=[2, 2], contents=pb.InferTensorContents(fp32_contents=FLOATS.flatten())
        )
    ],
)
check("gRPC typed contents", stub.ModelInfer(typed, metadata=metadata).raw_output_contents[0] == FLOATS.tobytes())
index = stub.RepositoryIndex(pb.RepositoryIndexRequest(), metadata=metadata)
check("gRPC repository index", any(model.name == "floats" for model in index.models))
