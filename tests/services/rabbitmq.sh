#!/usr/bin/env bash
# rabbitmq.sh fetch|start|stop|kill|ctl DIR PORT [ARGUMENTS]: one RabbitMQ node on loopback (Debian package rabbitmq-server).
# RMQ_EXTRA: further lines of rabbitmq.conf. Ports PORT + 1 (distribution) and PORT + 2 (its own epmd) are used too.
set -euo pipefail
VERB=${1:-}
DIR=${2:-}
PORT=${3:-0}
BIN=/usr/lib/rabbitmq/bin
[ "$VERB" = fetch ] && { [ -x "$BIN/rabbitmq-server" ] || { echo "rabbitmq: apt-get install rabbitmq-server" >&2; exit 3; }; exit 0; }
NODE=watchfloor$PORT@localhost
RUN=()
[ "$(id -u)" = 0 ] && RUN=(runuser -u rabbitmq --)
SETTINGS=(env -i PATH="$BIN:/usr/bin:/bin:/usr/sbin:/sbin" HOME="$DIR/home" LANG=C.UTF-8
  RABBITMQ_NODENAME="$NODE" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$PORT" RABBITMQ_DIST_PORT="$((PORT + 1))"
  RABBITMQ_MNESIA_BASE="$DIR/mnesia" RABBITMQ_LOG_BASE="$DIR/log" RABBITMQ_PID_FILE="$DIR/pid"
  RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$DIR/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$DIR/enabled_plugins"
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
  ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$((PORT + 2))")

ready() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT"; printf 'AMQP\0\0\11\1' >&3; read -t 2 -r -N 4 _ <&3) 2>/dev/null; }

case "$VERB" in
  start)
    mkdir -p "$DIR"/{home,mnesia,log}
    [ -f "$DIR/enabled_plugins" ] || echo "[]." >"$DIR/enabled_plugins"
    [ -f "$DIR/rabbitmq.conf" ] || printf 'vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n%s\n' \
      "${RMQ_EXTRA:-}" >"$DIR/rabbitmq.conf"
    [ "$(id -u)" = 0 ] && chown -R rabbitmq "$DIR"
    cd "$DIR"
    setsid "${RUN[@]}" "${SETTINGS[@]}" "$BIN/rabbitmq-server" >"$DIR/out.log" 2>&1 </dev/null &
    STARTED=$!
    for _ in $(seq 900); do
      ready && exit 0
      kill -0 "$STARTED" 2>/dev/null || { tail -20 "$DIR/out.log" >&2; exit 1; }
      sleep 0.1
    done
    echo "rabbitmq: not ready" >&2
    exit 1 ;;
  stop)
    kill "$(cat "$DIR/pid")" 2>/dev/null || true
    for _ in $(seq 300); do kill -0 "$(cat "$DIR/pid" 2>/dev/null || echo 0)" 2>/dev/null || break; sleep 0.1; done
    ERL_EPMD_PORT=$((PORT + 2)) epmd -kill >/dev/null 2>&1 || true ;;
  kill) kill -9 "$(cat "$DIR/pid")" 2>/dev/null || true ;;
  ctl) shift 3; cd "$DIR"; exec "${RUN[@]}" "${SETTINGS[@]}" "$BIN/rabbitmqctl" -n "$NODE" "$@" ;;
  *) echo "usage: $0 fetch|start|stop|kill|ctl DIR PORT" >&2; exit 2 ;;
esac
