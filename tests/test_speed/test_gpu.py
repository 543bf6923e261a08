"""On a CUDA device: nothing waits for it, and the views are those of the CPU."""

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from rcl_mm.augment.imagenet import RandClsAugment, SimAugment
from rcl_mm.augment.views import CifarClsAugment, CifarSimAugment
from rcl_mm.models import DeviceCropPreprocessor
from rcl_mm.models.device_crop import crop_and_resize

pytestmark = pytest.mark.gpu


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(64, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode='bicubic')
    return (smooth * 255).clamp(0, 255).byte()


@pytest.mark.parametrize('augment', [CifarSimAugment, CifarClsAugment, SimAugment, RandClsAugment])
def test_view_augments__do_not_wait_and_agree_with_the_cpu(augment, images):
    module, draws = augment(), torch.arange(64) * 7919
    expected, on_device = module(images, draws, 1), images.cuda()
    module(on_device, draws, 1)
    torch.cuda.set_sync_debug_mode('error')
    try:
        result = module(on_device, draws, 1)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    difference = (result.cpu() - expected).abs()
    # A value on the border of two levels, or of two pixels, may fall to either side.
    assert difference.mean() < 0.5 and (difference > 2).float().mean() < 0.02


def test_crop_and_resize__half_precision_is_within_a_level(images):
    boxes = torch.tensor([[2.0, 3, 20, 25]]).expand(64, 4).contiguous()
    expected = crop_and_resize(images, boxes, 16)
    result = crop_and_resize(images.cuda(), boxes.cuda(), 16).cpu()
    assert (result.int() - expected.int()).abs().max() <= 1


def test_preprocessor__does_not_wait_for_the_copies(images):
    augments = [RandClsAugment(), SimAugment()]
    preprocessor = DeviceCropPreprocessor(view_size=16, view_augments=augments).cuda()
    boxes = np.array([[2, 3, 20, 25], [0, 5, 16, 16]], np.float32)

    def batch():
        samples = [DataSample(metainfo=dict(crop_boxes=boxes)).set_gt_label(n) for n in range(64)]
        return dict(inputs=images.pin_memory(), data_samples=samples)

    preprocessor(batch(), training=True)
    second = batch()
    torch.cuda.set_sync_debug_mode('error')
    try:
        result = preprocessor(second, training=True)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert result['inputs'].is_cuda and result['inputs'].shape == (128, 3, 16, 16)
    assert [int(sample.gt_label) for sample in result['data_samples']] == list(range(64))
