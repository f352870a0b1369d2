#!/bin/sh
# Puts libonnxruntime.so into the folder DEST, from the wheel that ONNX Runtime's makers publish on PyPI.
#
#   edge/models/get-onnxruntime.sh DEST
#
# A second run finds the library, checks it and downloads nothing. Any pip will do: the wheel is chosen by version and
# machine, not by the Python that runs here, because the library inside is the same for all of them. The program `edge`
# carries these steps for `edge models pull`.
set -eu

version=1.24.4
dest=${1:?"say where the library goes: get-onnxruntime.sh DEST"}

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        platform=manylinux_2_28_x86_64
        sha256=2d518e11c7767f9fdc4413bdbeb45acf30db504ff76a82fc19d9238a3f9f6c24 ;;
    Linux-aarch64 | Linux-arm64)
        platform=manylinux_2_28_aarch64
        sha256=f373ae5fd4d878ed17ebea26e5480bd3d0a15e3bd6bc94b878e6c1b73998d22a ;;
    *)
        echo "no ready library is known for $(uname -s) on $(uname -m): put one of version $version into $dest yourself" >&2
        exit 1
        ;;
esac

is_right() {
    [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$sha256" ]
}

if [ -e "$dest/libonnxruntime.so" ] && [ -e "$dest/libonnxruntime.so.$version" ] && is_right "$dest/libonnxruntime.so.$version"; then
    echo "onnxruntime $version is in $dest already" >&2
    exit 0
fi

if command -v pip3 >/dev/null 2>&1; then
    pip=pip3
elif command -v python3 >/dev/null 2>&1 && python3 -m pip --version >/dev/null 2>&1; then
    pip="python3 -m pip"
else
    echo "pip is missing, which fetches onnxruntime: apt-get install python3-pip" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
# --no-deps: only the library is wanted, no Python package of it is ever installed.
$pip download --quiet --disable-pip-version-check --no-deps --dest "$work" \
    --only-binary=:all: --python-version 3.12 --implementation cp --platform "$platform" \
    "onnxruntime==$version" >&2

# A wheel is a zip file, and whoever has pip has Python to open it.
mkdir -p "$dest"
python3 - "$work" "$dest" "$version" <<'PY'
import glob, os, shutil, sys, zipfile

work, dest, version = sys.argv[1:]
[wheel] = glob.glob(os.path.join(work, "*.whl"))
name = f"libonnxruntime.so.{version}"
part = os.path.join(dest, name + ".part")
with zipfile.ZipFile(wheel) as z, z.open(f"onnxruntime/capi/{name}") as inside, open(part, "wb") as out:
    shutil.copyfileobj(inside, out)
os.chmod(part, 0o755)
PY
name=libonnxruntime.so.$version
if ! is_right "$dest/$name.part"; then
    rm -f "$dest/$name.part"
    echo "the wheel holds another library than the one tested (SHA-256 $sha256): nothing was kept" >&2
    exit 1
fi
mv "$dest/$name.part" "$dest/$name"
ln -sf "libonnxruntime.so.$version" "$dest/libonnxruntime.so"
echo "onnxruntime $version is in $dest" >&2
