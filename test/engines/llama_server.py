"""llama.cpp's own server with one model and one thread: MODEL PORT SLOTS CONTEXT ALIAS [KEY | -] [embed]"""

import sys
import time

import xllamacpp

model, port, slots, context, alias, key, *more = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {alias}
params.n_parallel = int(slots)
params.n_ctx = int(context) * int(slots)
params.kv_unified = False
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.endpoint_metrics = True
params.offline = True
params.verbosity = 1
params.warmup = False
if key != "-":
    params.api_keys = [key]
if "embed" in more:
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
while True:
    time.sleep(3600)
