#!/usr/bin/env bash
# OpenTelemetry's Python exporters, for tests of OTLP.
#   otel.sh fetch DIR          a virtual environment with them, made once; DIR/otel/bin/python
#   otel.sh send DIR ARG…      run otel_send.py with it
set -euo pipefail
VERSION=1.39.1
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
dir=$2
shift 2
case "$verb" in
fetch)
    [ -e "$dir/otel/ready-$VERSION" ] && exit 0
    mkdir -p "$dir"
    exec 9>"$dir/otel.lock"
    flock 9
    [ -e "$dir/otel/ready-$VERSION" ] && exit 0
    rm -rf "$dir/otel"
    python3 -m venv "$dir/otel"
    "$dir/otel/bin/pip" install --quiet --disable-pip-version-check \
        "opentelemetry-sdk==$VERSION" "opentelemetry-exporter-otlp==$VERSION"
    touch "$dir/otel/ready-$VERSION"
    ;;
send) exec "$dir/otel/bin/python" "$here/otel_send.py" "$@" ;;
*)
    echo "usage: otel.sh fetch|send DIR" >&2
    exit 2
    ;;
esac
