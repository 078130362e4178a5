#!/usr/bin/env bash
# rsyslog.sh fetch|start|stop|kill DIR [PORT]   the system's rsyslogd with DIR/rsyslog.conf, state in DIR
# Debian: rsyslog rsyslog-relp rsyslog-gnutls. It listens nowhere: the configuration names whom it sends to.
set -euo pipefail
verb=$1 dir=$2
case $verb in
fetch) command -v rsyslogd >/dev/null && ls /usr/lib/*/rsyslog/omrelp.so /usr/lib/*/rsyslog/lmnsd_gtls.so >/dev/null ;;
start)
  mkdir -p "$dir/spool"
  rm -f "$dir/pid"
  setsid rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/pid" </dev/null >>"$dir/rsyslog.log" 2>&1 &
  for _ in $(seq 200); do [ -s "$dir/pid" ] && exit 0; sleep 0.05; done
  cat "$dir/rsyslog.log" >&2; exit 1 ;;
stop|kill)
  pid=$(cat "$dir/pid")
  [ "$verb" = stop ] && kill -TERM "$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  for _ in $(seq 400); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.05; done
  kill -KILL "$pid" ;;
esac
