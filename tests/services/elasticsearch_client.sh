#!/usr/bin/env bash
# Elastic's own Python client, for tests of the bulk dialect.
#   elasticsearch_client.sh fetch DIR        a virtual environment with it, made once
#   elasticsearch_client.sh send DIR ARG…    run elasticsearch_send.py with it
set -euo pipefail
VERSION=8.17.0
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
dir=$2
shift 2
case "$verb" in
fetch)
    [ -e "$dir/elasticsearch-py/ready-$VERSION" ] && exit 0
    mkdir -p "$dir"
    exec 9>"$dir/elasticsearch-py.lock"
    flock 9
    [ -e "$dir/elasticsearch-py/ready-$VERSION" ] && exit 0
    rm -rf "$dir/elasticsearch-py"
    python3 -m venv "$dir/elasticsearch-py"
    "$dir/elasticsearch-py/bin/pip" install --quiet --disable-pip-version-check "elasticsearch==$VERSION"
    touch "$dir/elasticsearch-py/ready-$VERSION"
    ;;
send) exec "$dir/elasticsearch-py/bin/python" "$here/elasticsearch_send.py" "$@" ;;
*)
    echo "usage: elasticsearch_client.sh fetch|send DIR" >&2
    exit 2
    ;;
esac
