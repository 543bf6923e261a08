# What dist_train.sh and dist_test.sh share; they set GPUS and TOOLS, then call `launch`.

# With PYTHON the scripts can be told which interpreter to use; the repository's own comes first.
PYTHON=${PYTHON:-$([ -x "$TOOLS/../.venv/bin/python" ] && echo "$TOOLS/../.venv/bin/python" || echo python)}

launch() {
    local nodes=${NNODES:-1}
    local -a rendezvous
    if [ "$nodes" = 1 ] && [ -z "${PORT:-}" ]; then
        rendezvous=(--standalone)
    else
        rendezvous=(--nnodes "$nodes" --node_rank "${NODE_RANK:-0}"
            --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
    fi
    PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m torch.distributed.run \
        "${rendezvous[@]}" --nproc_per_node "$GPUS" "$@"
}
