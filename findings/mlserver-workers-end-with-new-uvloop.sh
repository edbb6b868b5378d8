#!/usr/bin/env bash
# Surprise: MLServer as pip installs it today serves no model with its default settings. Its inference workers (one by default)
# ask for the event loop of a thread that has none yet; uvloop since 0.22, which its requirements allow, no longer makes one then, so
# each worker ends as it starts and the server stops. With uvloop 0.21.0, or with parallel_workers 0, the same model answers.
#
# Seen with mlserver 1.7.1 and uvloop 0.23.0 (Python 3.11.7): "There is no current event loop in thread 'MainThread'", then
# "Worker process stopped unexpectedly"; HTTP 200 with uvloop 0.21.0. This script prints the outcomes, ends with 0 while that is so, and
# with 1 as soon as it changes.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat >doubles.py <<'PY'
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Doubles(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", 2 * x)])
PY
echo '{"name": "doubles", "implementation": "doubles.Doubles"}' >model-settings.json
echo '{"host": "127.0.0.1", "http_port": 18080, "grpc_port": 18081, "metrics_port": 18082}' >settings.json
question='{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[2]}]}'

outcome() {
  venv/bin/pip install -q mlserver==1.7.1 "uvloop==$1"
  PYTHONPATH=. venv/bin/mlserver start . >"log-$1" 2>&1 &
  server=$!
  local code=none
  for _ in $(seq 60); do
    code=$(curl -s -o answer -w '%{http_code}' -m 10 -H 'content-type: application/json' -d "$question" \
      http://127.0.0.1:18080/v2/models/doubles/infer || true)
    [[ $code == 200 ]] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 1
  done
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
  [[ $code == 200 ]] && echo "answers" && return
  grep -c "no current event loop" "log-$1" >/dev/null && echo "no worker starts" || echo "other: $code"
}

old=$(outcome 0.21.0)
new=$(outcome 0.23.0)
echo "uvloop 0.21.0: $old; uvloop 0.23.0: $new"
[[ $old == "answers" && $new == "no worker starts" ]]
