"""llama.cpp's own server, as the package xllamacpp has it, with one thread: `python llama_server.py FILE PORT`."""

import sys
import time

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[2])
params.n_ctx = 4096
params.n_parallel = 1
params.cpuparams.n_threads = 1
params.offline = True
params.verbosity = 1
server = xllamacpp.Server(params)
while True:
    time.sleep(3600)
