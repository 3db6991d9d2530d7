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
  "nats-broker nats-server"
  "nats-jetstream nats-server"
  "nats-registry nats-server"
  "rabbitmq rabbitmq-server"
  "rabbitmq-broker rabbitmq-server"
  "redis redis-server"
  "prometheus prometheus"
  "grpc go"
  "grpc-interop grpc-interop-client"
  "grpc-python grpc-python"
  "grpc-micro go"
  "grpcurl grpcurl"
  "kafka kafka-java"
  "nsq nsqd"
  "etcd etcd"
  "etcd-v2 etcd"
  "consul consul"
  "zookeeper zookeeper-server"
  "kubernetes kube-apiserver"
  "multi zookeeper-server"
  "jaeger jaeger"
  "connect protoc"
  "browser chromium"
)

nats() { debian nats-server; }
nats-broker() { nats; }
nats-jetstream() { nats; }
nats-registry() { nats; }
rabbitmq() { debian rabbitmq-server; }
rabbitmq-broker() { rabbitmq; }
redis() { debian redis-server; }
prometheus() { debian prometheus; }
# It has no server of its own: its tests build a peer on go-micro.
grpc() { debian golang-go; }
grpc-micro() { grpc; }
# grpc-go's own interop client and server. Both packages are called after what they are, and after nothing else.
grpc-interop() {
  local folder
  folder=$(mktemp -d) || return
  go_build "module gi
go 1.24
require google.golang.org/grpc v1.75.0" -o "$folder/" google.golang.org/grpc/interop/client google.golang.org/grpc/interop/server &&
    mv "$folder/server" "$BIN/grpc-interop-server" && mv "$folder/client" "$BIN/grpc-interop-client"
  local status=$?
  rm -rf "$folder"
  return $status
}

# Python with grpcio and protoc's plugin for it, in an environment of its own.
grpc-python() {
  local folder="$BIN/../grpc-python-1.85.1"
  command -v python3 >/dev/null && python3 -c 'import ensurepip' || debian python3 python3-venv || return
  python3 -m venv "$folder" && "$folder/bin/pip" install -q grpcio==1.85.1 grpcio-tools==1.85.1 || return
  printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$(cd "$folder" && pwd)" >"$BIN/grpc-python"
  chmod +x "$BIN/grpc-python"
}

grpcurl() {
  go_build "module grpcurlb
go 1.24
require github.com/fullstorydev/grpcurl v1.9.3" github.com/fullstorydev/grpcurl/cmd/grpcurl
}
etcd() { debian etcd-server; }
etcd-v2() { etcd; }
consul() {
  go_build "module consulb
go 1.22
require github.com/hashicorp/consul v1.13.9" github.com/hashicorp/consul
}

# Debian has the jars and no command that stays in the foreground: this one is the server's own process.
zookeeper() {
  debian zookeeper default-jre-headless || return
  cat >"$BIN/zookeeper-server" <<'END'
#!/bin/sh
exec java -Xmx256m -cp '/usr/share/java/zookeeper.jar:/usr/share/java/*' org.apache.zookeeper.server.quorum.QuorumPeerMain "$@"
END
  chmod +x "$BIN/zookeeper-server"
}

# Its peer is an npm package; protoc makes the descriptors that it wants.
connect() { debian protobuf-compiler; }
browser() { connect && debian chromium; }

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

# Its classes from Maven Central, and a command that runs them: `kafka-java kafka.Kafka FILE`.
kafka() {
  command -v java >/dev/null && command -v mvn >/dev/null || debian default-jre-headless maven || return
  local jars="$BIN/../kafka-4.3.1" folder
  folder=$(mktemp -d) || return
  cat >"$folder/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>octavo</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
  </dependencies>
</project>
XML
  (cd "$folder" && mvn -q -B dependency:copy-dependencies "-DoutputDirectory=$jars") || return
  rm -r "$folder"
  printf '#!/bin/sh\nexec java -Xmx512m -XX:TieredStopAtLevel=1 -cp "%s/*" "$@"\n' "$(cd "$jars" && pwd)" >"$BIN/kafka-java"
  chmod +x "$BIN/kafka-java"
}

nsq() {
  go_build "module nsqb
go 1.22
require github.com/nsqio/nsq v1.3.0
replace github.com/judwhite/go-svc => github.com/mreiferson/go-svc v1.2.2-0.20210815184239-7a96e00010f6" \
    github.com/nsqio/nsq/apps/nsqd github.com/nsqio/nsq/apps/nsqlookupd
}

# All of it in one process, with the spans in its memory.
jaeger() {
  go_build "module jb
go 1.24
require github.com/jaegertracing/jaeger v1.62.0" github.com/jaegertracing/jaeger/cmd/all-in-one && mv "$BIN/all-in-one" "$BIN/jaeger"
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

# Builds packages of Go modules, in a module of our own that names their versions, as a proxy may serve versions and no list of them.
go_build() { # GO.MOD PACKAGE ...
  local module=$1 folder status
  shift
  folder=$(mktemp -d) || return
  echo "$module" >"$folder/go.mod"
  (cd "$folder" && go build -mod=mod -o "$BIN/" "$@")
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
