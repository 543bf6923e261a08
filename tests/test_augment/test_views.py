"""Whole views: reproducible per sample, like torchvision's in distribution, nothing to wait for."""

import random

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data.auto_augment import rand_augment_transform
from torch._dynamo.backends.debugging import aot_eager
from torch.utils._python_dispatch import TorchDispatchMode

from rcl_mm.augment.imagenet import RandClsAugment, SimAugment
from rcl_mm.augment.views import CifarClsAugment, CifarSimAugment
from rcl_mm.datasets.augmentations import RandomCutout

AUGMENTS = (CifarSimAugment, CifarClsAugment, SimAugment, RandClsAugment)
N = 800


@pytest.fixture(scope='module')
def photos():
    """Patches (N, 3, 32, 32) of two photographs."""
    random = np.random.default_rng(0)
    scenes = load_sample_images().images
    patches = []
    for i in range(N):
        scene = scenes[i % 2]
        top, left = (int(random.integers(size - 128)) for size in scene.shape[:2])
        patch = Image.fromarray(scene[top : top + 128, left : left + 128])
        patches.append(np.asarray(patch.resize((32, 32), Image.BILINEAR)))
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).contiguous()


def draws(n, start=0):
    return torch.arange(start, start + n) * 7919 + 12345


class Ops(TorchDispatchMode):
    """The names of the operations that run."""

    def __init__(self):
        super().__init__()
        self.names, self.boolean_index = [], False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket._qualified_op_name)
        if func is torch.ops.aten.index.Tensor:
            self.boolean_index |= any(i is not None and i.dtype == torch.bool for i in args[1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('augment', AUGMENTS)
class TestViewAugments:
    def test_forward__depends_on_draw_and_view_alone(self, augment, photos):
        module, images = augment(), photos[:20]
        whole = module(images, draws(20), view=1)
        assert whole.shape == images.shape and whole.dtype == torch.float32
        assert whole.min() >= 0 and whole.max() <= 255
        part = module(images[7:12], draws(5, start=7), view=1)
        torch.testing.assert_close(part, whole[7:12], atol=1e-2, rtol=0)
        other_view = module(images, draws(20), view=2)
        other_epoch = module(images, draws(20, start=1000), view=1)
        for other in (other_view, other_epoch):
            same = (other - whole).abs().flatten(1).amax(1) < 1
            assert same.float().mean() < 0.5

    def test_forward__without_draws_from_torch_generator(self, augment, photos):
        module, images = augment(), photos[:20]
        torch.manual_seed(3)
        first, second = module(images), module(images)
        torch.manual_seed(3)
        assert torch.equal(module(images), first)
        assert not torch.equal(first, second)

    def test_forward__full_precision_under_autocast(self, augment, photos):
        module, images = augment(), photos[:20]
        expected = module(images, draws(20))
        with torch.autocast('cpu', dtype=torch.bfloat16):
            assert torch.equal(module(images, draws(20)), expected)

    def test_forward__no_host_synchronisation_and_few_launches(self, augment, photos):
        module = augment()
        with Ops() as ops:
            module(photos[:256], draws(256))
        waits = {'aten::_local_scalar_dense', 'aten::item', 'aten::nonzero', 'aten::masked_select'}
        assert not waits & set(ops.names) and not ops.boolean_index
        views = {'aten::view', 'aten::slice', 'aten::select', 'aten::unsqueeze', 'aten::expand'}
        views |= {'aten::transpose', 'aten::permute', 'aten::split', 'aten::alias', 'aten::detach'}
        views |= {'aten::unbind', 'aten::_unsafe_view', 'aten::split_with_sizes', 'aten::empty'}
        assert sum(name not in views for name in ops.names) < 260

    def test_forward__not_rgb(self, augment):
        with pytest.raises(ValueError, match='RGB'):
            augment()(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize('augment', [CifarSimAugment, SimAugment])
def test_compile__one_graph(augment, photos):
    """What torch.compile gets is one graph without breaks."""
    plain = augment()
    expected = plain(photos[:4], draws(4))
    part = 'colour' if augment is SimAugment else 'run'
    compiled = torch.compile(getattr(plain, part), backend='eager', fullgraph=True)
    setattr(plain, part, compiled)
    torch.testing.assert_close(plain(photos[:4], draws(4)), expected, atol=1e-3, rtol=0)


def test_compile__no_product_between_the_passes_over_the_pixels(photos):
    """A product is a kernel of its own; as multiply-adds it gives the same but for rounding."""
    module, targets = SimAugment(), []
    expected = module(photos[:6], draws(6))

    def backend(graph, example_inputs):
        targets.extend(str(node.target) for node in graph.graph.nodes)
        return aot_eager(graph, example_inputs)

    module.colour = torch.compile(module.colour, backend=backend, fullgraph=True)
    result = module(photos[:6], draws(6))
    assert targets and not [name for name in targets if 'mm' in name or 'matmul' in name]
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=0)


def statistics(views):
    """Per image: mean and deviation of each channel, roughness and share of black, (N, 8)."""
    x = views.float()
    rough = (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))
    black = (x < 1).all(1).float().mean((1, 2))
    colour = (x[:, 0] - x[:, 2]).abs().mean((1, 2))
    columns = [x.mean((2, 3)), x.std((2, 3)), rough[:, None], black[:, None], colour[:, None]]
    return torch.cat(columns, 1).numpy()


def cutout(image):
    img = np.asarray(image)
    return RandomCutout(16).transform(dict(img=img))['img']


JITTER = [T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8)]
RANDCLS = [
    T.RandomHorizontalFlip(),
    T.ColorJitter(0.4, 0.4, 0.4, 0.0),
    rand_augment_transform('rand-n2-m10-mstd0.5', dict(img_mean=(124, 116, 104))),
]
REFERENCES = {
    CifarSimAugment: [
        T.RandomResizedCrop(32, (0.2, 1)),
        *JITTER,
        T.RandomGrayscale(0.2),
        T.RandomApply([T.GaussianBlur(13, (0.1, 2.0))], 0.5),
    ],
    CifarClsAugment: [
        T.RandomCrop(32, padding=4),
        T.RandomHorizontalFlip(),
        T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, fill=[128.0] * 3),
        cutout,
    ],
    SimAugment: [*JITTER, T.RandomGrayscale(0.2)],
    RandClsAugment: RANDCLS,
}


@pytest.mark.parametrize('augment', AUGMENTS)
def test_views__statistics_of_the_pillow_pipeline(augment, photos):
    """Five standard errors of the difference, and a grey level for PIL's truncation at each step.

    The differences are of pairs (the same photo), so that the error is of the augmentation alone.
    """
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    pipeline = T.Compose(REFERENCES[augment])
    reference = np.stack(
        [np.asarray(pipeline(Image.fromarray(p.permute(1, 2, 0).numpy()))) for p in photos]
    )
    theirs = statistics(torch.from_numpy(reference).permute(0, 3, 1, 2))
    ours = statistics(augment()(photos, draws(N)))
    difference = ours - theirs
    error = difference.std(0) / np.sqrt(N)
    truncation = np.array([2.0] * 3 + [1.0] * 3 + [0.5, 0.01, 1.0])
    assert (np.abs(difference.mean(0)) < 5 * error + truncation).all(), (difference.mean(0), error)
