"""Sharded training with FSDP: what it keeps whole, and resuming on today's torch."""

from typing import Sequence

from mmengine._strategy.fsdp import FSDPStrategy
from mmengine.registry import FUNCTIONS, STRATEGIES
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel


@STRATEGIES.register_module()
class ResumableFSDPStrategy(FSDPStrategy):
    """MMEngine's ``FSDPStrategy`` with ``--resume``.

    MMEngine 0.10.7 hands the optimizer's state to torch in an order of arguments that torch 2.1
    changed: a resumed run ended with "TypeError: unhashable type: 'dict'".
    """

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimizer's state, each rank its shard."""
        self.optim_wrapper.load_state_dict(
            FullyShardedDataParallel.optim_state_dict_to_load(
                model=self.model,
                optim=self.optim_wrapper.optimizer,
                optim_state_dict=state_dict,
            )
        )


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
        >>>     type='ResumableFSDPStrategy',
        >>>     state_dict_cfg='full',
        >>>     model_wrapper=dict(
        >>>         type='MMFullyShardedDataParallel',
        >>>         auto_wrap_policy=dict(type='wrap_blocks', blocks=['Bottleneck'])))
    """
    return recurse or type(module).__name__ in blocks
