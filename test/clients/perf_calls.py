"""What perf_analyzer asks, in its order, by the stubs of tritonclient: its program is not on PyPI."""
import threading
import time

import numpy as np
from tritonclient.grpc import InferenceServerClient as GrpcClient
from tritonclient.grpc import InferInput as GrpcInput
from tritonclient.http import InferenceServerClient as HttpClient
from tritonclient.http import InferInput as HttpInput

from support import GRPC, HEADERS, HTTP, check

CALLERS = 8
PER_CALLER = 50
address = HTTP.removeprefix("http://")

for name, make, Input in [
    ("HTTP", lambda: HttpClient(address), HttpInput),
    ("gRPC", lambda: GrpcClient(GRPC), GrpcInput),
]:
    client = make()
    as_json = {} if name == "HTTP" else {"as_json": True}
    check(f"{name} ready", client.is_server_ready(headers=dict(HEADERS)) and client.is_model_ready("floats", headers=dict(HEADERS)))
    check(f"{name} extensions", "statistics" in client.get_server_metadata(headers=dict(HEADERS), **as_json)["extensions"])
    metadata = client.get_model_metadata("floats", "", headers=dict(HEADERS), **as_json)
    config = client.get_model_config("floats", "", headers=dict(HEADERS), **as_json)
    config = config.get("config", config)
    # It takes the shape of its random data from both: they must agree when there is no batch dimension beside them.
    check(f"{name} shapes", [str(d) for d in config["input"][0]["dims"]] == [str(d) for d in metadata["inputs"][0]["shape"]])
    check(f"{name} no batch size", int(config.get("max_batch_size", 0)) == 0 and "ensemble_scheduling" not in config)

    def count():
        answer = client.get_inference_statistics("floats", "", headers=dict(HEADERS), **as_json)["model_stats"][0]
        return int(answer.get("inference_count", 0)), int(answer["inference_stats"]["success"].get("ns", 0))

    before = count()
    failures = []

    def load():
        own = make()
        data = np.ones((1, 2), dtype=np.float32)
        tensor = Input("x", [1, 2], "FP32")
        tensor.set_data_from_numpy(data)
        for i in range(PER_CALLER):
            try:
                answer = own.infer("floats", [tensor], headers=dict(HEADERS), request_id=str(i))
                if not np.array_equal(answer.as_numpy("y"), data):
                    failures.append("another answer")
            except Exception as error:
                failures.append(str(error))
        own.close()

    threads = [threading.Thread(target=load) for _ in range(CALLERS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    check(f"{name} {CALLERS} callers, none refused", not failures or print(failures[:3]))
    after = count()
    check(f"{name} statistics count every answer", after[0] - before[0] == CALLERS * PER_CALLER and after[1] > before[1])
    print(f"   {name}: {CALLERS * PER_CALLER / seconds:.0f} requests/s")
