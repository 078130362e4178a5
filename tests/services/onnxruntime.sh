#!/usr/bin/env bash
# The library of ONNX Runtime, from its Python package, for tests of the runtime that is loaded.
#   onnxruntime.sh fetch DIR          make DIR/onnxruntime-VERSION/libonnxruntime.so once; prints its path
set -euo pipefail
VERSION=1.31.1
verb=$1
dir=$2
out="$dir/onnxruntime-$VERSION"
case "$verb" in
fetch)
    mkdir -p "$dir"
    exec 9>"$dir/onnxruntime.lock"
    flock 9
    if [ ! -e "$out/libonnxruntime.so" ]; then
        scratch=$(mktemp -d "$dir/onnxruntime.XXXXXX")
        trap 'rm -rf "$scratch"' EXIT
        python3 -m venv "$scratch/venv"
        "$scratch/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --dest "$scratch" "onnxruntime==$VERSION" >&2
        python3 - "$scratch" "$VERSION" <<'PY'
import pathlib, sys, zipfile

scratch = pathlib.Path(sys.argv[1])
(wheel,) = scratch.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    name = f"onnxruntime/capi/libonnxruntime.so.{sys.argv[2]}"
    (scratch / "libonnxruntime.so").write_bytes(archive.read(name))
PY
        mkdir -p "$out"
        mv "$scratch/libonnxruntime.so" "$out/libonnxruntime.so"
    fi
    echo "$out/libonnxruntime.so"
    ;;
*)
    echo "usage: onnxruntime.sh fetch DIR" >&2
    exit 2
    ;;
esac
