#!/usr/bin/env bash
# syslog-ng.sh fetch|start|stop|kill DIR [PORT]   syslog-ng 3.38 with DIR/syslog-ng.conf, state in DIR
# Its package and rsyslog exclude each other, so the packages are only unpacked, under the services cache.
set -euo pipefail
verb=$1 dir=$2
cache=${WATCHFLOOR_SERVICES:-$HOME/.cache/watchfloor/services}/syslog-ng
export LD_LIBRARY_PATH=$cache/usr/lib/syslog-ng:$cache/usr/lib/x86_64-linux-gnu:$cache/lib/x86_64-linux-gnu
case $verb in
fetch)
  [ -e "$cache/done" ] && exit 0
  debs=${SYSLOG_NG_DEBS:-}
  if [ -z "$debs" ]; then
    debs=$cache.debs; mkdir -p "$debs"
    (cd "$debs" && apt-get download syslog-ng-core libivykis0 libnet1 libpcre3 >&2)
  fi
  mkdir -p "$cache"
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$cache"; done
  "$cache/usr/sbin/syslog-ng" --version --module-path="$cache/usr/lib/syslog-ng/3.38" >&2
  touch "$cache/done" ;;
start)
  mkdir -p "$dir"
  rm -f "$dir/pid"
  setsid "$cache/usr/sbin/syslog-ng" -F --no-caps --module-path="$cache/usr/lib/syslog-ng/3.38" \
    -f "$dir/syslog-ng.conf" -R "$dir/persist" -p "$dir/pid" -c "$dir/ctl" </dev/null >>"$dir/syslog-ng.log" 2>&1 &
  for _ in $(seq 200); do [ -s "$dir/pid" ] && exit 0; sleep 0.05; done
  cat "$dir/syslog-ng.log" >&2; exit 1 ;;
stop|kill)
  pid=$(cat "$dir/pid")
  [ "$verb" = stop ] && kill -TERM "$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  for _ in $(seq 400); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.05; done
  kill -KILL "$pid" ;;
esac
