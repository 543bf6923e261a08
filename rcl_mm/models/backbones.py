"""The small ResNet of the CIFAR benchmarks (He et al., CVPR 2016, section 4.2)."""

from typing import Optional, Tuple

import torch.nn.functional as F
from mmengine.model import BaseModule, Sequential
from mmengine.registry import MODELS
from torch import Tensor, nn

from rcl_mm.errors import InputError


class _BasicBlock(BaseModule):
    """Two 3x3 convolutions; the shortcut is option A: stride by slicing, new channels are zero."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = channels - in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        if self.stride != 1 or self.new_channels:
            before = self.new_channels // 2
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride],
                (0, 0, 0, 0, before, self.new_channels - before),
            )
        return F.relu(out + x, inplace=True)


@MODELS.register_module()
class CIFARResNet(BaseModule):
    """ResNet-20/32/44/56/110 for 32x32 images, and ResNet-8/14 below them.

    Three stages of n blocks with widths 16, 32, 64 and option-A shortcuts, the backbone that all
    CIFAR-LT figures of the field are for (not MMPretrain's wide ``ResNet_CIFAR``). With a 10-class
    classifier ResNet-32 has 0.46 M parameters.

    Args:
        depth (int): 6n + 2 layers. Defaults to 32.
        in_channels (int): Channels of the images. Defaults to 3.
        base_channels (int): Width of the first stage. Defaults to 16.
        init_cfg (dict, optional): Defaults to Kaiming-normal convolutions.

    Raises:
        InputError: If ``depth`` is not 6n + 2 with n >= 1.

    Example:
        >>> CIFARResNet(depth=8)(torch.rand(1, 3, 32, 32))[-1].shape
        torch.Size([1, 64, 8, 8])
    """

    def __init__(
        self,
        depth: int = 32,
        in_channels: int = 3,
        base_channels: int = 16,
        init_cfg: Optional[dict] = None,
    ) -> None:
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise InputError(f'depth={depth} must be 6n + 2: 8, 14, 20, 32, 44, 56, 110, ...')
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d', nonlinearity='relu'))
        self.depth = depth
        self.conv1 = nn.Conv2d(in_channels, base_channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        widths = [base_channels, base_channels, 2 * base_channels, 4 * base_channels]
        for stage in (1, 2, 3):
            layers = [
                _BasicBlock(
                    widths[stage - 1] if block == 0 else widths[stage],
                    widths[stage],
                    stride=2 if block == 0 and stage > 1 else 1,
                )
                for block in range(blocks)
            ]
            self.add_module(f'layer{stage}', Sequential(*layers))
        self.out_channels = widths[3]

    def forward(self, x: Tensor) -> Tuple[Tensor]:
        """Images (N, 3, H, W) to a tuple with the last feature map (N, 64, H/4, W/4)."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return (self.layer3(self.layer2(self.layer1(x))),)
