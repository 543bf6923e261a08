#!/usr/bin/env bash
# Test on several GPUs, or several CPU processes where there is no GPU:
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT. On one node a free port is chosen by default;
# over several nodes all must know the same one, 29500 by default.
set -euo pipefail

if [ "$#" -lt 3 ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

source "$TOOLS/dist_common.sh"
launch "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
