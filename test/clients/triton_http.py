import gevent.ssl  # noqa: F401  geventhttpclient wants it imported before threads start
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from support import FLOATS, HEADERS, HTTP, INTEGERS, PLACE, TEXTS, check, refused, same

client = InferenceServerClient(HTTP.removeprefix("http://"), concurrency=20)


def tensor(data, datatype, binary=True):
    made = InferInput("x", list(data.shape), datatype)
    made.set_data_from_numpy(data, binary_data=binary)
    return [made]


check("live", client.is_server_live(headers=dict(HEADERS)))
check("ready", client.is_server_ready(headers=dict(HEADERS)))
check("model ready", client.is_model_ready("floats", headers=dict(HEADERS)))
check("server metadata", client.get_server_metadata(headers=dict(HEADERS))["name"] == "skerry")
check("model metadata", client.get_model_metadata("floats", headers=dict(HEADERS))["inputs"][0]["datatype"] == "FP32")
check("model config", client.get_model_config("floats", headers=dict(HEADERS))["input"][0]["data_type"] == "TYPE_FP32")
for model, data, datatype in [("floats", FLOATS, "FP32"), ("integers", INTEGERS, "INT64"), ("texts", TEXTS, "BYTES")]:
    for binary in (True, False):
        outputs = [InferRequestedOutput("y", binary_data=binary)]
        answer = client.infer(model, tensor(data, datatype, binary), outputs=outputs, headers=dict(HEADERS))
        same(f"infer {datatype} binary={binary}", answer.as_numpy("y"), data)
for algorithm in ("gzip", "deflate"):
    answer = client.infer(
        "floats",
        tensor(FLOATS, "FP32"),
        headers=dict(HEADERS),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    same(f"infer compressed with {algorithm}", answer.as_numpy("y"), FLOATS)
waiting = [client.async_infer("floats", tensor(FLOATS, "FP32"), headers=dict(HEADERS)) for _ in range(20)]
for answer in waiting:
    same("async_infer × 20", answer.get_result().as_numpy("y"), FLOATS)
stats = client.get_inference_statistics("floats", headers=dict(HEADERS))["model_stats"][0]
check("statistics", stats["inference_count"] >= 20 and stats["inference_stats"]["success"]["ns"] > 0)
check("repository index", any(entry["name"] == "floats" for entry in client.get_model_repository_index(headers=dict(HEADERS))))
wrong = InferInput("x", [1, 3], "FP32")
wrong.set_data_from_numpy(FLOATS.reshape(-1)[:3].reshape(1, 3))
refused("a wrong shape", lambda: client.infer("floats", [wrong], headers=dict(HEADERS)), ["x", "[1, 3]"])
refused("an unknown model", lambda: client.infer("nobody", tensor(FLOATS, "FP32"), headers=dict(HEADERS)), ["nobody"])
if PLACE == "control plane":
    client.load_model("floats", headers=dict(HEADERS))
    check("load", client.is_model_ready("floats", headers=dict(HEADERS)))
else:
    refused("load at a node", lambda: client.load_model("floats", headers=dict(HEADERS)), ["control plane"])
