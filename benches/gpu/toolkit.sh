#!/usr/bin/env bash
# Makes a CUDA 13.0 toolkit in a folder, from NVIDIA's packages for Python, so that `--features cuda` builds on a
# machine that has neither a GPU nor a toolkit. The program then runs where there is a driver.
#
#     eval "$(benches/gpu/toolkit.sh ~/cuda-13.0)" && cargo build --release --features cuda
#
# Needs python3 with venv, a C compiler and 1.3 GB. CUDA_COMPUTE_CAP says for which GPUs: 80 A100, 86 RTX 30, 89 RTX 40,
# 90 H100 and H200 (the default), 120 RTX 50.
set -euo pipefail
folder=$(mkdir -p "${1:?usage: toolkit.sh FOLDER}" && cd "$1" && pwd)
[ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv" >&2
# 13.0 everywhere: a newer compiler's PTX is refused by drivers of 13.0, and cudarc knows no newer one.
packages=(nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl nvidia-cublas nvidia-cuda-nvrtc)
"$folder/venv/bin/pip" install -q --no-deps "${packages[@]/%/==13.0.*}" "nvidia-curand==10.4.0.*" >&2
root=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia/cu13)
# The linker looks for names without a version.
for library in cudart.so.13 cublas.so.13 cublasLt.so.13 curand.so.10 nvrtc.so.13; do
  ln -sfn "lib$library" "$root/lib/lib${library%%.*}.so"
done
ln -sfn lib "$root/lib64"
# The driver's library comes with a driver; to link, one with its names and nothing inside is enough.
mkdir -p "$root/lib/stubs"
python3 - "$root/include/cuda.h" > "$root/lib/stubs/driver.c" <<'P'
import re
import sys

header = open(sys.argv[1], errors="replace").read()
names = set(re.findall(r"CUDAAPI\s+(cu[A-Z]\w*)\s*\(", header))
for pair in re.findall(r"#\s*define\s+(cu[A-Z]\w*)\s+(cu[A-Z]\w+_v\d+)\b", header):
    names.update(pair)
for name in sorted(names):
    print(f"int {name}(void) {{ return 999; }}")
P
"${CC:-cc}" -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$root/lib/stubs/libcuda.so" "$root/lib/stubs/driver.c"
ln -sfn libcuda.so "$root/lib/stubs/libcuda.so.1"
cat <<E
export CUDA_HOME=$root CUDA_ROOT=$root CUDA_PATH=$root
export PATH=$root/bin:\$PATH LIBRARY_PATH=$root/lib:$root/lib/stubs CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-90}
E
