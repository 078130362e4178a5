#!/usr/bin/env bash
# A throw-away PostgreSQL for tests, on 127.0.0.1:PORT and a socket in DIR; everything is gone with DIR.
#   postgres.sh fetch                    says whether the programs are there (Debian: apt-get install postgresql)
#   postgres.sh start DIR PORT [OWNER]   makes the cluster if need be; with OWNER it ends with that process
#   postgres.sh stop|kill DIR PORT       in good order | as a power cut would
# FSYNC=on for tests of crashes, AUTH=scram-sha-256 for tests of passwords (the user postgres has the password "right"),
# DATA=FOLDER for the cluster elsewhere than in DIR.
set -euo pipefail
what=${1:-} dir=${2:-} port=${3:-} owner=${4:-}
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl || echo /nowhere/pg_ctl)")
[ -x "$bin/pg_ctl" ] || { echo "PostgreSQL's server is not installed (apt-get install postgresql)" >&2; exit 3; }
data=${DATA:-$dir/data}
as=(); [ "$(id -u)" = 0 ] && as=(runuser -u postgres --)
case "$what" in
fetch) echo "$bin" ;;
start)
  if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$dir" "$data"
    [ "$(id -u)" = 0 ] && chown postgres "$dir" "$data"
    echo right >"$dir/password"
    (cd / && "${as[@]}" "$bin/initdb" -D "$data" -U postgres -A "${AUTH:-trust}" --pwfile="$dir/password" \
      --locale=C.UTF-8 --encoding=UTF8 --no-sync >"$dir/initdb.log" 2>&1) || { cat "$dir/initdb.log" >&2; exit 1; }
  fi
  (cd / && "${as[@]}" "$bin/pg_ctl" -D "$data" -s -w -t 60 -l "$dir/log" -o "-c listen_addresses=127.0.0.1 -p $port -k $dir \
    -c shared_buffers=${BUFFERS:-32MB} -c max_connections=100 -c fsync=${FSYNC:-off} -c max_wal_size=256MB" start) ||
    { tail -5 "$dir/log" >&2; exit 1; }
  if [ -n "$owner" ]; then
    setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.5; done; "$0" kill "$2" "$3" 2>/dev/null; rm -rf "$2"' \
      "$0" "$owner" "$dir" "$port" >/dev/null 2>&1 </dev/null &
  fi ;;
stop) (cd / && "${as[@]}" "$bin/pg_ctl" -D "$data" -s -w -m fast stop) ;;
kill)
  [ -s "$data/postmaster.pid" ] || exit 0
  server=$(head -1 "$data/postmaster.pid")
  children=$(pgrep -P "$server" || true)
  kill -9 "$server" $children 2>/dev/null || true
  for child in $server $children; do
    for _ in $(seq 100); do kill -0 "$child" 2>/dev/null || break; sleep 0.05; done
  done ;;
*) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
