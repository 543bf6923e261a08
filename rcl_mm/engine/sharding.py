"""What FSDP keeps whole: the unit of sharding, chosen by the kind of module."""

from typing import Sequence

from mmengine.registry import FUNCTIONS
from torch import nn


@FUNCTIONS.register_module()
def wrap_blocks(
    module: nn.Module,
    recurse: bool,
    nonwrapped_numel: int,
    blocks: Sequence[str] = ('Bottleneck', 'BasicBlock', 'TransformerEncoderLayer', 'Block'),
) -> bool:
    """An ``auto_wrap_policy`` of FSDP: each block of the backbone is a unit, the rest is one.

    A policy by size would also cut ``RCLHead`` up, and its prototypes are made from the weights of
    its classifier: outside the classifier's own forward pass a shard of them would be all there is.

    Args:
        module (nn.Module): Candidate.
        recurse (bool): Whether FSDP asks if to look inside the module.
        nonwrapped_numel (int): Parameters of the module that no unit has yet.
        blocks (Sequence[str]): Class names of the units. Defaults to the blocks of MMPretrain's
            ResNets and ViTs and of timm's ViTs.

    Example:
        >>> strategy = dict(
        >>>     type='FSDPStrategy',
        >>>     state_dict_cfg='full',
        >>>     model_wrapper=dict(
        >>>         type='MMFullyShardedDataParallel',
        >>>         auto_wrap_policy=dict(type='wrap_blocks', blocks=['Bottleneck'])))
    """
    return recurse or type(module).__name__ in blocks
