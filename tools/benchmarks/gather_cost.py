"""What contrasting over all ranks costs each of them, counted from the sizes alone."""

from typing import Dict

from measuring import table

VIEWS = 2
MODEL_GPUS = (8, 64, 512)
MODEL_BATCHES = (256, 1024, 4096, 32768)
# DDP's all-reduce of the gradients of ResNeXt-50 32x4d with its classifier, in the same step.
BACKBONE_PARAMETERS = 25_028_904
BYTES = 4
MIB = 2**20


def gather_bytes(ranks: int, anchors: int, dimension: int) -> Dict[str, float]:
    """Bytes that one rank receives in a step of the loss over ``anchors`` embeddings of all ranks.

    Forward: the other ranks' embeddings (float32) and labels (int64). Backward: a reduce-scatter
    of the embeddings' gradient, by a ring: one share from a neighbour, ranks - 1 times.
    """
    others = anchors * (ranks - 1) / ranks
    return dict(forward=others * (BYTES * dimension + 8), backward=others * BYTES * dimension)


def cost(ranks: int, batch: int, dimension: int, classes: int) -> Dict[str, float]:
    """What one rank computes and receives in a step, from the sizes alone."""
    from rcl_mm.ops.contrast import anchors_per_block

    anchors = VIEWS * batch
    own, keys = anchors // ranks, anchors + classes
    chunked = anchors_per_block(own, keys, BYTES, None) < own
    moved = gather_bytes(ranks, anchors, dimension)
    gradients = 2 * BYTES * BACKBONE_PARAMETERS * (ranks - 1) / ranks
    return dict(
        own=own,
        keys=keys,
        # Two products' worth forward (one) and backward (two), one more where chunks are computed
        # again; a product has two operations per pair and dimension.
        gflop=(4 if chunked else 3) * 2 * own * keys * dimension / 1e9,
        matrix=own * keys * BYTES,
        memory=min(3.5 * own * keys * BYTES, 64 * MIB),
        received=sum(moved.values()),
        of_gradients=sum(moved.values()) / gradients,
    )


def print_model(dimension: int, classes: int) -> None:
    """The table of docs/distributed.md."""
    rows = []
    for ranks in MODEL_GPUS:
        for batch in MODEL_BATCHES:
            if VIEWS * batch < ranks:
                continue
            one = cost(ranks, batch, dimension, classes)
            rows.append(
                (
                    ranks,
                    batch,
                    f'{one["own"]} x {one["keys"]}',
                    f'{one["gflop"]:.1f}',
                    f'{one["matrix"] / MIB:.1f}',
                    f'{one["memory"] / MIB:.1f}',
                    f'{one["received"] / MIB:.1f}',
                    f'{100 * one["of_gradients"]:.0f}%',
                )
            )
    print(f'\nPer rank and step, counted: {VIEWS} views, D={dimension}, C={classes}, float32')
    header = (
        'GPUs',
        'global batch',
        'anchors x keys',
        'GFLOP',
        'matrix, MiB',
        'extra memory, MiB',
        'received, MiB',
        "of DDP's gradients",
    )
    print(table(header, rows))
