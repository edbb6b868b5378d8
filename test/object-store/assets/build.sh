#!/usr/bin/env bash
# Builds a real S3 server for the tests, Versity's gateway to a folder (Apache-2.0), from its Go modules, which go.sum pins:
# nothing else is downloaded. usage: build.sh [FOLDER]   default: $SKERRY_S3_ASSETS, else ~/.cache/skerry/versitygw-VERSION
# What is there is kept. Takes 2 minutes on 2 cores the first time. Prints the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=$(sed -n 's/^\tgithub.com\/versity\/versitygw v\([0-9.]*\).*/\1/p' go.mod)
folder=${1:-${SKERRY_S3_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/skerry/versitygw-$version}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
if [[ ! -x $folder/versitygw ]]; then
  # Whole or not there: a build that was interrupted leaves nothing of that name.
  go build -trimpath -ldflags "-s -w" -o "$folder/versitygw.part" github.com/versity/versitygw/cmd/versitygw >&2
  mv "$folder/versitygw.part" "$folder/versitygw"
fi
echo "$folder"
