#!/usr/bin/env bash
# Installs the real servers that `npm run test:backends` runs against, and skips what is there.
# usage: scripts/install-backends.sh [BACKEND ...]   all of them, or those named
# Debian packages need root. What is built is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/octavo/bin.
set -uo pipefail

BIN="${XDG_CACHE_HOME:-$HOME/.cache}/octavo/bin"
export PATH="$BIN:$PATH"
mkdir -p "$BIN"

# One line for each backend, and one function of its name: it installs that, or fails.
BACKENDS=(
  "nats nats-server"
  "rabbitmq rabbitmq-server"
  "redis redis-server"
  "etcd etcd"
  "etcd-v2 etcd"
  "consul consul"
  "zookeeper zookeeper-server"
  "kubernetes kube-apiserver"
  "multi zookeeper-server"
)

nats() { debian nats-server; }
rabbitmq() { debian rabbitmq-server; }
redis() { debian redis-server; }
etcd() { debian etcd-server; }
etcd-v2() { etcd; }
consul() { go_build github.com/hashicorp/consul v1.13.9 github.com/hashicorp/consul 1.22; }

# Debian has the jars and no command that stays in the foreground: this one is the server's own process.
zookeeper() {
  debian zookeeper default-jre-headless || return
  cat >"$BIN/zookeeper-server" <<'END'
#!/bin/sh
exec java -Xmx256m -cp '/usr/share/java/zookeeper.jar:/usr/share/java/*' org.apache.zookeeper.server.quorum.QuorumPeerMain "$@"
END
  chmod +x "$BIN/zookeeper-server"
}

# Two others at once.
multi() { zookeeper && etcd; }

# The API server alone, which keeps its objects in an etcd; there is no kubelet.
kubernetes() {
  debian etcd-server openssl || return
  local version=1.34.3 folder
  folder=$(mktemp -d) || return
  (
    cd "$folder" &&
      printf 'module kubernetes\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n' "$version" >go.mod &&
      go mod download "k8s.io/kubernetes@v$version" &&
      sed -n 's|^\t*\(replace \)\{0,1\}\(k8s.io/[^ ]*\) => ./staging/.*|replace \2 => \2 v0'"${version#1}"'|p' \
        "$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$version.mod" >>go.mod &&
      go build -mod=mod -o "$BIN/" k8s.io/kubernetes/cmd/kube-apiserver
  )
  local status=$?
  rm -rf "$folder"
  return $status
}

# --- how things are had

debian() {
  if [ -z "${UPDATED:-}" ]; then
    apt-get update -qq || return
    UPDATED=1
  fi
  # A package may bring a service that starts by itself: the tests start their own, at ports of their own.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Builds a package of a Go module. The module is named by one of our own, as a proxy may serve versions and no list of them.
go_build() { # MODULE VERSION PACKAGE GO
  local folder status
  folder=$(mktemp -d) || return
  printf 'module backend\n\ngo %s\n\nrequire %s %s\n' "$4" "$1" "$2" >"$folder/go.mod"
  (cd "$folder" && go build -mod=mod -o "$BIN/" "$3")
  status=$?
  rm -rf "$folder"
  return $status
}

# --- all of it

failed=0
for line in "${BACKENDS[@]}"; do
  read -r name command <<<"$line"
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  begin=$SECONDS
  if path=$(type -P "$command"); then
    echo "$name: there already ($path), 0 s"
  elif output=$("$name" 2>&1) && type -P "$command" >/dev/null; then
    echo "$name: installed, $((SECONDS - begin)) s"
  else
    echo "$name: FAILED, $((SECONDS - begin)) s"
    echo "$output" | tail -n 20
    failed=1
  fi
done
for name in "$@"; do
  printf '%s\n' "${BACKENDS[@]}" | grep -q "^$name " || { echo "$name: no such backend" && failed=1; }
done
exit $failed
