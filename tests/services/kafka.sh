#!/usr/bin/env bash
# kafka.sh fetch|start|stop|kill DIR PORT: one Kafka broker and controller (KRaft) on loopback. PORT + 1 is the controller.
# KAFKA_EXTRA: further lines of server.properties. KAFKA_FORMAT: further arguments of the format tool.
# KAFKA_NODE (1), KAFKA_VOTERS: a node of several (voters: id@host:port:directory-id,...); then DIR is the node's own.
# Java 17 or later, and Maven to fetch the jars once.
set -euo pipefail
VERSION=4.4.0
DIR=${2:-}
PORT=${3:-}
NODE=${KAFKA_NODE:-1}
CACHE=${WATCHFLOOR_SERVICES:-$HOME/.cache/watchfloor/services}
LIB=$CACHE/kafka-$VERSION/lib
CLUSTER=MkU3OEVBNTcwNTJENDM2Qg
JAVA="-Xms64m -Xmx160m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError -Xshare:auto"

fetch() {
  [ -f "$LIB/.complete" ] && return 0
  command -v mvn >/dev/null && command -v java >/dev/null || { echo "kafka: java and mvn are needed" >&2; exit 3; }
  local pom
  pom=$(mktemp -d)
  cat >"$pom/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test.local</groupId><artifactId>kafka-dist</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
XML
  mvn -q -B -f "$pom/pom.xml" dependency:copy-dependencies -DoutputDirectory="$LIB" -DincludeScope=runtime >&2
  rm -r "$pom"
  touch "$LIB/.complete"
}

configure() {
  mkdir -p "$DIR"
  [ -f "$DIR/server.properties" ] && return 0
  local voters=()
  cat >"$DIR/server.properties" <<CFG
process.roles=broker,controller
node.id=$NODE
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$((PORT + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=${KAFKA_CONTROLLERS:-127.0.0.1:$((PORT + 1))}
log.dirs=$DIR/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
group.min.session.timeout.ms=500
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=65536
CFG
  # A later line wins.
  printf '%s\n' "${KAFKA_EXTRA:-}" >>"$DIR/server.properties"
  if [ -n "${KAFKA_VOTERS:-}" ]; then voters=(--initial-controllers "$KAFKA_VOTERS"); else voters=(--standalone); fi
  # shellcheck disable=SC2086
  java $JAVA -cp "$LIB/*" kafka.tools.StorageTool format "${voters[@]}" ${KAFKA_FORMAT:-} -t "$CLUSTER" \
    -c "$DIR/server.properties" >"$DIR/format.log" 2>&1 || { cat "$DIR/format.log" >&2; exit 1; }
}

up() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && grep -q 'Kafka Server started' "$DIR/server.log"; }

case "${1:-}" in
  fetch) fetch ;;
  start)
    fetch
    configure
    : >"$DIR/server.log"
    # shellcheck disable=SC2086
    setsid java $JAVA -cp "$LIB/*" kafka.Kafka "$DIR/server.properties" >"$DIR/server.log" 2>&1 </dev/null &
    echo $! >"$DIR/pid"
    for _ in $(seq 900); do
      up && exit 0
      kill -0 "$(cat "$DIR/pid")" 2>/dev/null || { tail -20 "$DIR/server.log" >&2; exit 1; }
      sleep 0.1
    done
    echo "kafka: not ready" >&2
    exit 1 ;;
  stop)
    kill "$(cat "$DIR/pid")" 2>/dev/null || exit 0
    for _ in $(seq 300); do kill -0 "$(cat "$DIR/pid")" 2>/dev/null || exit 0; sleep 0.1; done
    exit 1 ;;
  kill) kill -9 "$(cat "$DIR/pid")" 2>/dev/null || true ;;
  *) echo "usage: $0 fetch|start|stop|kill DIR PORT" >&2; exit 2 ;;
esac
