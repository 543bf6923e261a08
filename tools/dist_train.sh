#!/usr/bin/env bash
# Train on several GPUs, or several CPU processes where there is no GPU:
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT. On one node a free port is chosen by default;
# over several nodes all must know the same one, 29500 by default.
set -euo pipefail

if [ "$#" -lt 2 ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

source "$TOOLS/dist_common.sh"
launch "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
