#!/usr/bin/env bash
# Builds a real Kubernetes control plane for the tests from its Go modules, which go.sum pins: nothing else is downloaded.
# usage: build.sh [FOLDER]   default: $KUBEBUILDER_ASSETS, else ~/.cache/skerry/kubernetes-VERSION. What is there is kept.
# Takes 5 minutes on 2 cores the first time. Prints the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=$(sed -n 's/^\tk8s.io\/kubernetes v\([0-9.]*\).*/\1/p' go.mod)
folder=${1:-${KUBEBUILDER_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/skerry/kubernetes-$version}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
# Without these the API server calls itself v0.0.0 and refuses its own feature gates.
IFS=. read -r major minor _ <<<"$version"
stamp="-s -w -X k8s.io/component-base/version.gitVersion=v$version"
stamp+=" -X k8s.io/component-base/version.gitMajor=$major -X k8s.io/component-base/version.gitMinor=$minor"
build() { [[ -x $folder/$1 ]] || go build -trimpath -ldflags "$stamp" -o "$folder/$1" "$2" >&2; }
for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  build "$program" "k8s.io/kubernetes/cmd/$program"
done
build etcd go.etcd.io/etcd/server/v3
# Definitions of other projects whose objects deploy/ has: their modules hold them as files. Without them less is tested.
define() { # MODULE@VERSION SUM FILE…
  local found dir file
  found=$(go mod download -json "$1") || return
  [[ $found == *"\"Sum\": \"$2\""* ]] || { echo "$1 has another sum than $2" >&2; return 1; }
  dir=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$found")
  for file in "${@:3}"; do install -m 644 "$dir/$file" "$folder/definitions.part/" || return; done
}
if [[ ! -d $folder/definitions ]]; then
  rm -rf "$folder/definitions.part"
  mkdir "$folder/definitions.part"
  crds=example/prometheus-operator-crd/monitoring.coreos.com
  define sigs.k8s.io/gateway-api@v1.4.0 h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ= \
    config/crd/standard/gateway.networking.k8s.io_httproutes.yaml &&
    define github.com/prometheus-operator/prometheus-operator@v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= \
      "${crds}_servicemonitors.yaml" "${crds}_prometheusrules.yaml" &&
    mv "$folder/definitions.part" "$folder/definitions" ||
    echo "there are no definitions of the Gateway API and the Prometheus operator" >&2
fi
echo "$folder"
