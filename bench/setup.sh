#!/bin/sh
# setup.sh DIR [PYTHON]: makes the virtual environments of the peers that `make bench` runs beside Moru, DIR/torch,
# DIR/jax and DIR/tf; about 3 GB. What is there already is brought to the wanted state and not made anew.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 DIR [PYTHON]" >&2; exit 2; }
dir=$1 python=${2-python3}

environment() {
    name=$1; shift
    [ -x "$dir/$name/bin/python" ] || "$python" -m venv "$dir/$name"
    "$dir/$name/bin/python" -m pip install --quiet "$@"
}

mkdir -p "$dir"
if [ "$(uname -s)" = Linux ]; then
    environment torch --extra-index-url https://download.pytorch.org/whl/cpu 'torch==2.13.0' numpy h5py
    environment tf tensorflow-cpu numpy h5py
else
    environment torch 'torch==2.13.0' numpy h5py
    environment tf tensorflow numpy h5py
fi
environment jax jax numpy
for name in torch jax tf; do
    "$dir/$name/bin/python" -m pip list 2>/dev/null | grep -iE '^(torch|jax|jaxlib|tensorflow|tensorflow-cpu|keras) '
done
command -v g++ >/dev/null || echo "torch.compile needs g++, which isn't here" >&2
