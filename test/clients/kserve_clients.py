import asyncio

from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

from support import FLOATS, GRPC, HEADERS, HTTP, INTEGERS, TEXTS, check, same


def request(model, data, datatype, binary):
    made = InferInput("x", list(data.shape), datatype)
    made.set_data_from_numpy(data, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[made])


async def rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    check("REST live", await client.is_server_live(HTTP, headers=dict(HEADERS)))
    check("REST ready", await client.is_server_ready(HTTP, headers=dict(HEADERS)))
    check("REST model ready", await client.is_model_ready(HTTP, "floats", headers=dict(HEADERS)))
    for model, data, datatype in [("floats", FLOATS, "FP32"), ("integers", INTEGERS, "INT64"), ("texts", TEXTS, "BYTES")]:
        for binary in (True, False):
            answer = await client.infer(HTTP, request(model, data, datatype, binary), headers=dict(HEADERS), model_name=model)
            same(f"REST infer {datatype} binary={binary}", answer.outputs[0].as_numpy(), data)


async def grpc():
    client = InferenceGRPCClient(GRPC, timeout=30)
    metadata = list(HEADERS.items())
    check("gRPC live", await client.is_server_live(headers=metadata))
    check("gRPC ready", await client.is_server_ready(headers=metadata))
    check("gRPC model ready", await client.is_model_ready("floats", headers=metadata))
    for model, data, datatype in [("floats", FLOATS, "FP32"), ("integers", INTEGERS, "INT64"), ("texts", TEXTS, "BYTES")]:
        for binary in (True, False):
            answer = await client.infer(request(model, data, datatype, binary), headers=metadata)
            same(f"gRPC infer {datatype} raw={binary}", answer.outputs[0].as_numpy(), data)


asyncio.run(rest())
asyncio.run(grpc())
