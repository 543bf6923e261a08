"""Gather with gradients: every rank's embeddings as keys on every rank.

::

    rank 0   [ its rows | padding ]        every rank  [ rows of rank 0 | .. rank 1 | .. rank 2 ]
    rank 1   [ its rows           ]   ->                 offset = rank * rows_per_rank
    rank 2   [ its rows  | padding]                      padding: zeros with label -1

Collectives need equal sizes on all ranks and a last batch need not have them, but asking for the
sizes in every step would make each GPU wait for all others. So the ranks agree on the rows to
send once, at the first step, and a smaller batch is padded.
"""

import datetime
import itertools
import weakref
from typing import Optional, Tuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from rcl_mm.errors import InputError

PADDING_LABEL = -1
"""Label of the rows that fill up a smaller batch: no key for any anchor."""

SECONDS_TO_MEET_FIRST = 1800
"""How long a rank waits for the others at the first step, which some reach late."""

SECONDS_TO_MEET_AGAIN = 60
"""The same when its batch has outgrown the agreement, which all ranks must do at once."""

# torch 2.14 renames the collectives of whole tensors, and warns of the old names.
_all_gather, _reduce_scatter = (
    getattr(dist, new, None) or getattr(dist, old, None)
    for new, old in (
        ('all_gather_single', 'all_gather_into_tensor'),
        ('reduce_scatter_single', 'reduce_scatter_tensor'),
    )
)

_OUTGROWN = 'rcl_mm/outgrown'
_agreements = itertools.count()
_agreed: Tuple[Optional[weakref.ref], int] = (None, 0)


class _AllGather(torch.autograd.Function):
    """Concatenate tensors of equal size of all ranks; backward sums their gradients.

    The gradient of a rank's rows is the sum of what all ranks' losses have for them: a
    reduce-scatter. (``mmengine.dist.all_gather`` carries no gradient, and keeping one's own slice
    of one's own gradient, as some layers do, loses what the other ranks' anchors contribute.)
    """

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        tensor = tensor.contiguous()
        ctx.shape = tensor.shape
        gathered = tensor.new_empty(dist.get_world_size() * len(tensor), *tensor.shape[1:])
        _all_gather(gathered, tensor)
        return gathered

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        own = grad.new_empty(ctx.shape)
        _reduce_scatter(own, grad.contiguous())
        return own


def gather_embeddings(embeddings: Tensor, labels: Tensor) -> Tuple[Tensor, Tensor, int, int]:
    """Embeddings and labels of all ranks, in rank order, with gradients to the rank they came from.

    Ranks may hold different numbers of rows: smaller batches come padded with zeros labelled
    ``PADDING_LABEL``. Nothing makes an accelerator wait, but for the first call, and for one with
    more rows than in any call before.

    Args:
        embeddings (Tensor): This rank's embeddings, shape (M, D).
        labels (Tensor): Their labels, shape (M, ).

    Returns:
        tuple[Tensor, Tensor, int, int]: Embeddings (K, D), labels (K, ), the row at which this
        rank's own begin, and the number of ranks. Without a process group: the inputs, 0 and 1.

    Raises:
        InputError: If the ranks' embeddings differ in dimension or type, or one rank's batch
            grows beyond all batches before while another's does not.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return embeddings, labels, 0, 1
    rows = _rows_per_rank(embeddings)
    missing = rows - len(labels)
    if missing:
        embeddings = F.pad(embeddings, (0, 0, 0, missing))
        labels = F.pad(labels, (0, missing), value=PADDING_LABEL)
    try:
        keys, key_labels = _AllGather.apply(embeddings), _AllGather.apply(labels)
    except RuntimeError as error:
        reason = _reason_of_a_rank_that_left()
        if reason is None:
            raise
        raise InputError(reason) from error
    return keys, key_labels, dist.get_rank() * rows, dist.get_world_size()


def _rows_per_rank(embeddings: Tensor) -> int:
    """The number of rows that every rank sends: the largest batch of any rank so far.

    A rank within the agreement asks nobody. One beyond it meets the others, who must be beyond it
    too: an epoch's last batch is smaller, not larger, and a new batch size is new for all.
    """
    global _agreed
    group, rows = _agreed
    if group is None or group() is not dist.group.WORLD:
        group, rows = weakref.ref(dist.group.WORLD), 0
    if len(embeddings) > rows or rows == 0:
        seconds = SECONDS_TO_MEET_AGAIN if rows else SECONDS_TO_MEET_FIRST
        rows = _agree(embeddings, rows, seconds)
        _agreed = (group, rows)
    return rows


def _agree(embeddings: Tensor, agreed: int, seconds: float) -> int:
    """Largest number of rows of all ranks, over the process group's store.

    The store waits with a time limit of its own; a collective that one rank does not join would
    hang or mix up its message with another one.
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    store = dist.PrefixStore(f'rcl_mm/rows/{next(_agreements)}', _store())
    kind = f'{embeddings.shape[1]} {embeddings.dtype}'
    store.set(str(rank), f'{len(embeddings)} {kind}')
    try:
        store.wait([str(other) for other in range(ranks)], datetime.timedelta(seconds=seconds))
    except RuntimeError as error:
        absent = [other for other in range(ranks) if not store.check([str(other)])]
        message = (
            f'rank {rank} has {len(embeddings)} embeddings to gather, more than the {agreed} of '
            f'any step before, but the batch of ranks {absent} has not grown within {seconds:g} s: '
            'give all ranks the same batch size (drop_last, or a sampler that rounds up)'
        )
        _store().set(_OUTGROWN, message)
        raise InputError(message) from error
    answers = [store.get(str(other)).decode().split(' ', 1) for other in range(ranks)]
    for other, (_, other_kind) in enumerate(answers):
        if other_kind != kind:
            raise InputError(
                f'embeddings to gather have dimension and type {kind} on rank {rank}, but '
                f'{other_kind} on rank {other}: give all ranks the same model and precision'
            )
    return max(int(count) for count, _ in answers)


def _store() -> 'dist.Store':
    """The key-value store through which the process group was set up."""
    return dist.distributed_c10d._get_default_store()


def _reason_of_a_rank_that_left() -> Optional[str]:
    """Why a collective failed, if a rank left because its batch had grown alone."""
    try:
        store = _store()
        return store.get(_OUTGROWN).decode() if store.check([_OUTGROWN]) else None
    except RuntimeError:  # the store went down with the rank that held it
        return None
