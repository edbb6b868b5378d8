import queue

from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

from support import FLOATS, GRPC, HEADERS, INTEGERS, PLACE, TEXTS, check, refused, same

client = InferenceServerClient(GRPC)


def tensor(data, datatype):
    made = InferInput("x", list(data.shape), datatype)
    made.set_data_from_numpy(data)
    return [made]


check("live", client.is_server_live(headers=dict(HEADERS)))
check("ready", client.is_server_ready(headers=dict(HEADERS)))
check("model ready", client.is_model_ready("floats", headers=dict(HEADERS)))
check("server metadata", client.get_server_metadata(headers=dict(HEADERS)).name == "skerry")
check("model metadata", client.get_model_metadata("floats", headers=dict(HEADERS)).inputs[0].datatype == "FP32")
check("model config", client.get_model_config("floats", headers=dict(HEADERS)).config.input[0].dims[1] == 2)
for model, data, datatype in [("floats", FLOATS, "FP32"), ("integers", INTEGERS, "INT64"), ("texts", TEXTS, "BYTES")]:
    outputs = [InferRequestedOutput("y")]
    answer = client.infer(model, tensor(data, datatype), outputs=outputs, headers=dict(HEADERS), request_id="a1")
    same(f"infer {datatype}", answer.as_numpy("y"), data)
    check("request id", answer.get_response().id == "a1")
answer = client.infer("floats", tensor(FLOATS, "FP32"), headers=dict(HEADERS), compression_algorithm="gzip")
same("infer compressed with gzip", answer.as_numpy("y"), FLOATS)

answers = queue.Queue()
for _ in range(20):
    client.async_infer("floats", tensor(FLOATS, "FP32"), lambda result, error: answers.put((result, error)), headers=dict(HEADERS))
for _ in range(20):
    result, error = answers.get(timeout=30)
    same("async_infer × 20", None if error else result.as_numpy("y"), FLOATS)

client.start_stream(lambda result, error: answers.put((result, error)), headers=dict(HEADERS))
for i in range(5):
    client.async_stream_infer("floats", tensor(FLOATS, "FP32"), request_id=str(i))
for i in range(5):
    result, error = answers.get(timeout=30)
    check("stream in order", error is None and result.get_response().id == str(i))
client.stop_stream()

stats = client.get_inference_statistics("floats", headers=dict(HEADERS)).model_stats[0]
check("statistics", stats.inference_count >= 20 and stats.inference_stats.success.ns > 0)
check("statistics of all", len(client.get_inference_statistics(headers=dict(HEADERS)).model_stats) >= 3)
check("repository index", any(m.name == "floats" for m in client.get_model_repository_index(headers=dict(HEADERS)).models))
refused("an unknown model", lambda: client.infer("nobody", tensor(FLOATS, "FP32"), headers=dict(HEADERS)), ["NOT_FOUND", "nobody"])
refused("shared memory", lambda: client.get_system_shared_memory_status(headers=dict(HEADERS)), ["UNIMPLEMENTED"])
if PLACE == "control plane":
    client.load_model("floats", headers=dict(HEADERS))
    check("load", client.is_model_ready("floats", headers=dict(HEADERS)))
else:
    refused("load at a node", lambda: client.load_model("floats", headers=dict(HEADERS)), ["UNIMPLEMENTED"])
