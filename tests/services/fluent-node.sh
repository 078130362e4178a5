#!/usr/bin/env bash
# fluent-node.sh fetch|start|stop|kill DIR [PORT]   a Fluent forward client that waits for acknowledgements: node runs DIR/client.js
set -euo pipefail
verb=$1 dir=$2
cache=${WATCHFLOOR_SERVICES:-$HOME/.cache/watchfloor/services}/fluent-node
case $verb in
fetch)
  [ -d "$cache/node_modules/@fluent-org/logger" ] && exit 0
  mkdir -p "$cache" && cd "$cache" && npm install --no-audit --no-fund @fluent-org/logger@1.0.10 >&2 ;;
start)
  NODE_PATH=$cache/node_modules setsid node "$dir/client.js" </dev/null >>"$dir/client.log" 2>&1 &
  echo $! >"$dir/pid" ;;
stop|kill)
  pid=$(cat "$dir/pid")
  kill -KILL "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.05; done ;;
esac
