"""CIFARResNet: the standard parameter counts and shapes."""

import pytest
import torch

from rcl_mm.models import CIFARResNet


@pytest.mark.parametrize(
    'depth',
    # He et al. 2016, table 6: 0.27 M, 0.46 M, 0.66 M with the classifier of 650 parameters.
    [8, 20, 32, 44],
)
def test_parameter_counts(depth):
    """Convolutions of a stage of n blocks, and two numbers per channel for each batch norm."""
    n = (depth - 2) // 6
    expected = 3 * 16 * 9 + 2 * 16
    for narrow, wide in ((16, 16), (16, 32), (32, 64)):
        expected += narrow * wide * 9 + (2 * n - 1) * wide * wide * 9 + 2 * n * 2 * wide
    counted = sum(p.numel() for p in CIFARResNet(depth).parameters())
    assert counted == expected
    published = {20: 0.27e6, 32: 0.46e6, 44: 0.66e6}
    if depth in published:
        assert abs(counted + 650 - published[depth]) < 0.006e6


def test_shapes():
    (out,) = CIFARResNet(8)(torch.rand(2, 3, 32, 32))
    assert out.shape == (2, 64, 8, 8)


def test_option_a_shortcut_has_no_parameters_and_pads_with_zeros():
    model = CIFARResNet(8)
    block = model.layer2[0]
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 16, 8, 8)
    out = block(x)
    torch.testing.assert_close(out[:, 8:24], x[:, :, ::2, ::2])
    assert (out[:, :8] == 0).all() and (out[:, 24:] == 0).all()


@pytest.mark.parametrize('depth', [2, 10, 18, 33])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=f'depth={depth} must be 6n'):
        CIFARResNet(depth)
