"""MultiViewDataPreprocessor: order of the views, both collate functions, device views."""

import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmpretrain.models.utils import ClsDataPreprocessor
from mmpretrain.structures import DataSample, MultiTaskDataSample
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.errors import InputError
from rcl_mm.models import MultiViewDataPreprocessor

SETTINGS = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0], to_rgb=True)


def items(images=4, views=3, size=8):
    generator = torch.Generator().manual_seed(0)
    shape = (images, views, 3, size, size)
    pixels = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    return [
        dict(inputs=list(pixels[n]), data_samples=DataSample().set_gt_label(n))
        for n in range(images)
    ]


@pytest.mark.parametrize('collate', [default_collate, pseudo_collate])
@pytest.mark.parametrize('views', [2, 3])
def test_view_major_order_and_normalisation(collate, views):
    batch = items(views=views)
    out = MultiViewDataPreprocessor(**SETTINGS)(collate(batch), training=True)
    assert out['inputs'].shape == (views * 4, 3, 8, 8)
    mean, std = (torch.tensor(SETTINGS[k]).view(3, 1, 1) for k in ('mean', 'std'))
    for view in range(views):
        for n, item in enumerate(batch):
            expected = (item['inputs'][view].flip(0).float() - mean) / std
            torch.testing.assert_close(out['inputs'][view * 4 + n], expected)
    assert [int(sample.gt_label) for sample in out['data_samples']] == [0, 1, 2, 3]


@pytest.mark.parametrize('collate', [default_collate, pseudo_collate])
def test_one_view_is_as_in_mmpretrain(collate):
    batch = [dict(inputs=item['inputs'][0], data_samples=item['data_samples']) for item in items()]
    ours = MultiViewDataPreprocessor(**SETTINGS)(collate(batch))
    theirs = ClsDataPreprocessor(**SETTINGS)(collate(batch))
    torch.testing.assert_close(ours['inputs'], theirs['inputs'])


def test_repeated_samples_follow_the_views():
    preprocessor = MultiViewDataPreprocessor(**SETTINGS, repeat_samples=True)
    labels = [int(s.gt_label) for s in preprocessor(default_collate(items()), True)['data_samples']]
    assert labels == [0, 1, 2, 3] * 3


def test_channels_last():
    out = MultiViewDataPreprocessor(**SETTINGS, channels_last=True)(default_collate(items()), True)
    assert out['inputs'].is_contiguous(memory_format=torch.channels_last)


def test_views_of_different_sizes_are_refused():
    batch = [
        dict(inputs=[torch.zeros(3, 8, 8), torch.zeros(3, 6, 6)], data_samples=DataSample())
        for _ in range(2)
    ]
    with pytest.raises(ValueError, match='views have shapes'):
        MultiViewDataPreprocessor(**SETTINGS)(default_collate(batch), True)


class TestViewsOfDifferentKinds:
    @pytest.mark.parametrize(
        'other',
        [
            lambda view: view.float(),  # the same values in another type
            lambda view: (view.float() - 127.5) / 127.5,  # normalised
            lambda view: view.float() / 255,  # torchvision's ToTensor
        ],
    )
    @pytest.mark.parametrize('collate', [default_collate, pseudo_collate])
    def test_refused(self, collate, other):
        batch = items()
        for item in batch:
            item['inputs'][1] = other(item['inputs'][1])
        with pytest.raises(InputError, match='the views have values of different kinds'):
            MultiViewDataPreprocessor()(collate(batch), True)

    @pytest.mark.parametrize('scale', [1 / 127.5, 1 / 255])
    def test_floats_of_two_ranges__refused(self, scale):
        batch = items()
        for item in batch:
            first, *others = (view.float() for view in item['inputs'])
            item['inputs'] = [first * scale, *others]
        with pytest.raises(InputError, match=r'float32 up to .*, float32 up to 255'):
            MultiViewDataPreprocessor()(default_collate(batch), True)

    @pytest.mark.parametrize('scale', [1.0, 1 / 255])
    def test_alike__accepted(self, scale):
        batch = items()
        for item in batch:
            item['inputs'] = [view.float() * scale for view in item['inputs']]
        MultiViewDataPreprocessor()(default_collate(batch), True)


def test_batch_augments_are_refused():
    with pytest.raises(ValueError, match='mixup and cutmix'):
        MultiViewDataPreprocessor(
            **SETTINGS, num_classes=4, batch_augments=dict(augments=dict(type='Mixup', alpha=0.8))
        )


class _Copies(TorchDispatchMode):
    """The copies that are made, as (device it goes to, whether it does not wait)."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._to_copy.default and kwargs.get('device') is not None:
            self.made.append((kwargs['device'].type, kwargs.get('non_blocking', False)))
        return func(*args, **(kwargs or {}))


class TestCopies:
    """The meta device stands for an accelerator: what matters is which copies are asked for."""

    def copies(self, samples, **settings):
        preprocessor = MultiViewDataPreprocessor(**settings).to('meta')
        with _Copies() as copies:
            out = preprocessor(dict(inputs=torch.zeros(4, 3, 8, 8), data_samples=samples), True)
        assert out['inputs'].device.type == 'meta'
        return copies.made, out['data_samples']

    @pytest.mark.parametrize('labels', [[0, 1, 2, 3], [[0, 4], [1], [2, 3, 0], [1]]])
    def test_one_for_the_images_and_one_for_all_labels(self, labels):
        made, samples = self.copies([DataSample().set_gt_label(label) for label in labels])
        assert made == [('meta', True)] * 2
        sizes = [len(torch.tensor(label).view(-1)) for label in labels]
        assert [sample.gt_label.shape for sample in samples] == [(size,) for size in sizes]
        assert all(sample.gt_label.is_meta for sample in samples)

    def test_blocking__as_in_mmpretrain(self):
        samples = [DataSample().set_gt_label(n) for n in range(4)]
        made, samples = self.copies(samples, non_blocking=False)
        assert made == [('meta', False)] * 2 and samples[0].gt_label.is_meta

    def test_labels_on_the_device_already(self):
        samples = [DataSample().set_gt_label(torch.zeros(1, device='meta')) for _ in range(4)]
        assert self.copies(samples)[0] == [('meta', True)]

    def test_without_labels(self):
        assert self.copies(None) == ([('meta', True)], None)
        assert self.copies([DataSample() for _ in range(4)])[0] == [('meta', True)]

    def test_scores(self):
        samples = [DataSample().set_gt_label(n).set_gt_score([0.5, 0.5]) for n in range(4)]
        made, samples = self.copies(samples)
        assert len(made) == 3
        assert all(sample.gt_score.is_meta and sample.gt_label.is_meta for sample in samples)

    def test_several_tasks(self):
        samples = [MultiTaskDataSample() for _ in range(4)]
        for sample in samples:
            sample.set_field(DataSample().set_gt_label(1), 'colour')
        _, samples = self.copies(samples)
        assert all(sample.colour.gt_label.is_meta for sample in samples)

    def test_labels_keep_their_order_and_type(self, monkeypatch):
        preprocessor = MultiViewDataPreprocessor()
        labels = [[3, 1], [2], [0, 5, 4]]
        samples = [DataSample().set_gt_label(label) for label in labels]
        # The copy of an accelerator, on the CPU.
        monkeypatch.setattr(
            'rcl_mm.models.preprocessors.copy_without_waiting',
            lambda tensor, device: tensor.clone(),
        )
        monkeypatch.setattr(preprocessor, '_device', torch.device('cuda'))
        preprocessor._move_labels(samples)
        assert [sample.gt_label.tolist() for sample in samples] == labels
        assert all(sample.gt_label.dtype == torch.int64 for sample in samples)


class _AddView(nn.Module):
    def __init__(self):
        super().__init__()
        self.draws = None

    def forward(self, images, draws, view):
        self.draws = draws
        return images.float() + view


class TestViewsOnTheDevice:
    def batch(self, draws=None):
        samples = []
        for n in range(4):
            index = n if draws is None else DrawIndex(n, draws[n])
            samples.append(DataSample(metainfo=dict(sample_idx=index)).set_gt_label(n))
        return dict(inputs=torch.full((4, 3, 8, 8), 7, dtype=torch.uint8), data_samples=samples)

    def test_one_module_a_view(self):
        out = MultiViewDataPreprocessor(view_augments=[_AddView(), _AddView()])(self.batch(), True)
        assert out['inputs'][:4].unique().tolist() == [7]
        assert out['inputs'][4:].unique().tolist() == [8]

    def test_draws_keep_their_64_bits(self):
        module, draws = _AddView(), [0, 1, 2**63, 2**64 - 1]
        MultiViewDataPreprocessor(view_augments=[module])(self.batch(draws), True)
        assert [draw % 2**64 for draw in module.draws.tolist()] == draws

    def test_no_draws_without_a_reproducible_sampler(self):
        module = _AddView()
        MultiViewDataPreprocessor(view_augments=[module])(self.batch(), True)
        assert module.draws is None

    def test_not_in_testing(self):
        out = MultiViewDataPreprocessor(view_augments=[_AddView()] * 2)(self.batch(), False)
        assert out['inputs'].shape == (4, 3, 8, 8)
