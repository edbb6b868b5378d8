#!/usr/bin/env bash
# Surprise: tritonclient's HTTP client writes the length of one request's JSON part into the headers dictionary that the
# caller passed. A caller who keeps one dictionary (an Authorization header, say) and sends a request without binary data
# next declares the length of the first request's JSON for the second.
#
# Seen with tritonclient 2.73.0 from PyPI and Python 3.11.7: 180 bytes are declared for a body of 128. This script prints both dictionaries and ends with 0 while
# that is so, and with 1 as soon as it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tritonclient[http]==2.73.0"
cat >"$folder/reuse.py" <<'PY'
import http.server, json, sys, threading
import numpy
import tritonclient.http as triton

seen = []

class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        declared = self.headers.get("Inference-Header-Content-Length")
        seen.append((declared, len(body)))
        outputs = [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.0]}]
        answer = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = triton.InferenceServerClient(f"127.0.0.1:{server.server_port}")
headers = {"x-caller": "one dictionary for all requests"}
for name, binary in (("a-rather-long-name-of-an-input", True), ("x", False)):
    tensor = triton.InferInput(name, [1], "FP32")
    tensor.set_data_from_numpy(numpy.ones(1, dtype=numpy.float32), binary_data=binary)
    output = triton.InferRequestedOutput("y", binary_data=False)
    client.infer("m", [tensor], outputs=[output], headers=headers)
    print("binary" if binary else "JSON  ", "headers after it:", headers, "the server saw (declared, bytes):", seen[-1])
server.shutdown()
(first, _), (second, length) = seen
sys.exit(0 if second == first and second is not None else 1)
PY
"$folder/venv/bin/python" "$folder/reuse.py"
