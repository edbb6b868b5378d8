#!/usr/bin/env bash
# Surprise: @huggingface/jinja, which renders chat templates in JavaScript, compares as JavaScript's == does and not as Jinja: an
# empty text equals false, and a digit equals its number. Templates test `system_message != false` (Cohere's do) to see whether there is
# a system message; with an empty one they leave out a turn that transformers writes.
#
# Seen with @huggingface/jinja 0.5.11 (Node 24) and Jinja2 3.1.6, which transformers uses, on the same three expressions. This script prints
# both, ends with 0 while they differ in that way, and with 1 as soon as it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q jinja2==3.1.6
npm init -y >/dev/null
npm install --silent --ignore-scripts @huggingface/jinja@0.5.11 >/dev/null
template='{{ "yes" if "" == false else "no" }} {{ "yes" if "1" == 1 else "no" }} {{ "turn" if system_message != false else "no turn" }}'
python=$(venv/bin/python -c 'import sys; from jinja2.sandbox import ImmutableSandboxedEnvironment as E; print(E().from_string(sys.argv[1]).render(system_message=""))' "$template")
cat >render.mjs <<'JS'
import { Template } from "@huggingface/jinja";
console.log(new Template(process.argv[2]).render({ system_message: "" }));
JS
node=$(node render.mjs "$template")
echo "Jinja2: $python; @huggingface/jinja: $node"
[[ $python == "no no turn" && $node == "yes yes no turn" ]]
