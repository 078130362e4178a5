#!/usr/bin/env bash
# journald.sh fetch|start|stop|kill DIR [PORT]   a real systemd-journald in a private mount namespace; needs root
# Journals land in DIR/journal. `journald.sh log DIR TEXT` and `journald.sh lines DIR FILE` write into it, `rotate` and `sync` do so.
set -euo pipefail
verb=$1 dir=$2
pid() { cat "$dir/pid"; }
within() { nsenter -t "$(pid)" -m -- "$@"; }
case $verb in
fetch) [ "$(id -u)" = 0 ] && [ -x /lib/systemd/systemd-journald ] && command -v unshare nsenter logger journalctl >/dev/null ;;
start)
  mkdir -p "$dir/journal" /var/log/journal
  rm -f "$dir/pid"
  setsid unshare -m --propagation private bash -c '
    set -e
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/journald.conf.d /run/systemd/journal
    mount --bind "$1/journal" /var/log/journal
    printf "[Journal]\nStorage=persistent\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\nMaxLevelStore=debug\nSystemKeepFree=1M\n" >/run/systemd/journald.conf.d/t.conf
    echo $$ >"$1/pid"
    exec /lib/systemd/systemd-journald' bash "$dir" </dev/null >>"$dir/journald.log" 2>&1 &
  for _ in $(seq 200); do [ -s "$dir/pid" ] && within test -S /run/systemd/journal/socket 2>/dev/null && break; sleep 0.05; done
  # Persistent storage opens with the first flush.
  kill -USR1 "$(pid)"
  for _ in $(seq 200); do ls "$dir"/journal/*/system.journal >/dev/null 2>&1 && exit 0; sleep 0.05; done
  cat "$dir/journald.log" >&2; exit 1 ;;
lines) within logger -u /run/systemd/journal/dev-log -t app -f "$3" ;;
rotate) kill -USR2 "$(pid)" ;;
stop|kill)
  [ "$verb" = stop ] && kill -TERM "$(pid)" 2>/dev/null || kill -KILL "$(pid)" 2>/dev/null || true
  for _ in $(seq 200); do kill -0 "$(pid)" 2>/dev/null || exit 0; sleep 0.05; done ;;
esac
