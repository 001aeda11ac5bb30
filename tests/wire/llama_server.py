"""llama.cpp's own HTTP server: `python llama_server.py MODEL PORT`, in the environment of install_llama.sh."""

from __future__ import annotations

import sys
import threading

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[2])
params.n_ctx = 8192
params.n_parallel = 1
params.warmup = False
params.cpuparams.n_threads = 1
params.use_jinja = True
server = xllamacpp.Server(params)
threading.Event().wait()
