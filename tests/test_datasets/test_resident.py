"""A data set in memory: the same images and samples as the plain one, in whole batches."""

import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain.datasets.transforms import PackInputs
from torch.utils.data import DataLoader, Subset

from rcl_mm.augment.views import CifarClsAugment, CifarSimAugment
from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import DigitsLT, LongTailedDataset, ReproducibleSampler
from rcl_mm.datasets.resident import ResidentDataset, resident_collate
from rcl_mm.models import MultiViewDataPreprocessor


@pytest.fixture
def folder(tmp_path):
    """Two classes of three and two PNG files 12x10 (BGR on disk is RGB in a viewer)."""
    random = np.random.default_rng(0)
    for name, number in (('cat', 3), ('dog', 2)):
        (tmp_path / name).mkdir()
        for i in range(number):
            image = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / name / f'{i}.png'), image)
    return tmp_path


class TestResidentDataset:
    def test_images__files_are_rgb(self, folder):
        resident = ResidentDataset(
            dict(type='CustomDataset', data_root=str(folder), data_prefix='', with_label=True)
        )
        assert resident.images.shape == (5, 3, 12, 10) and resident.images.dtype == torch.uint8
        for i in range(5):
            info = resident.get_data_info(i)
            bgr = cv2.imread(info['img_path'])
            assert np.array_equal(resident.images[i].permute(1, 2, 0), bgr[..., ::-1])
            sample = resident[i]['data_samples']
            assert sample.gt_label.tolist() == [info['gt_label']]
            assert sample.img_path == info['img_path'] and sample.sample_idx == i
        assert resident.metainfo['classes'] == ('cat', 'dog')
        assert resident.class_counts.tolist() == [3, 2]
        assert dataset_class_counts(resident).tolist() == [3, 2]

    def test_samples__as_mmpretrain_packs_them(self):
        digits = DigitsLT(split='val', pipeline=[PackInputs()])
        resident = ResidentDataset(digits)
        for i in (0, 57, 199):
            plain, own = digits[i], resident[i]
            assert torch.equal(plain['inputs'], own['inputs'])
            assert plain['data_samples'].gt_label.equal(own['data_samples'].gt_label)
            assert own['data_samples'].sample_idx == plain['data_samples'].sample_idx
            # The fields are known to the element, so that it prints, copies and moves.
            copied = own['data_samples'].clone()
            assert copied.keys() == ['gt_label'] and 'sample_idx' in copied.metainfo_keys()

    def test_long_tailed__selection_counts_and_metainfo(self):
        inner = LongTailedDataset(DigitsLT(split='train', pipeline=[]), imbalance_factor=10)
        resident = ResidentDataset(inner)
        assert len(resident) == len(inner)
        assert resident.metainfo == inner.metainfo
        assert (resident.class_counts == inner.class_counts).all()
        assert (resident.get_gt_labels() == inner.get_gt_labels()).all()
        assert resident.get_cat_ids(3) == inner.get_cat_ids(3)
        last = inner.get_data_info(len(inner) - 1)['img']
        assert np.array_equal(resident.images[-1].permute(1, 2, 0), last)

    def test_size__resizes_mixed_images(self, folder):
        cv2.imwrite(str(folder / 'dog' / '9.png'), np.zeros((30, 20, 3), np.uint8))
        config = dict(type='CustomDataset', data_root=str(folder), data_prefix='', with_label=True)
        with pytest.raises(ValueError, match=r'image 5 has shape \(30, 20, 3\).*size='):
            ResidentDataset(config)
        assert ResidentDataset(config, size=(8, 6)).images.shape == (6, 3, 8, 6)
        assert ResidentDataset(config, size=8).images.shape == (6, 3, 8, 8)

    def test_bad_input__one_clear_error(self, folder):
        config = dict(type='CustomDataset', data_root=str(folder), data_prefix='', with_label=True)
        with pytest.raises(ValueError, match='max_bytes'):
            ResidentDataset(config, max_bytes=1000)
        (folder / 'cat' / '0.png').write_bytes(b'no image')
        with pytest.raises(ValueError, match='cannot be decoded'):
            ResidentDataset(config)

    def test_lazy_init__decodes_at_first_use(self):
        lazy = ResidentDataset(DigitsLT(split='val', pipeline=[]), lazy_init=True)
        assert not hasattr(lazy, 'images')
        assert len(lazy[5]['data_samples'].gt_label) == 1


class TestLoader:
    def make_loader(self, dataset, batch_size):
        return DataLoader(
            dataset,
            batch_size,
            sampler=ReproducibleSampler(dataset, seed=5),
            collate_fn=resident_collate,
        )

    def test_build_dataloader__from_a_config(self):
        loader = Runner.build_dataloader(
            dict(
                batch_size=64,
                num_workers=0,
                dataset=dict(
                    type='ResidentDataset', dataset=dict(type='DigitsLT', split='val', pipeline=[])
                ),
                sampler=dict(type='ReproducibleSampler', shuffle=True),
                collate_fn=dict(type='resident_collate'),
            ),
            seed=0,
        )
        batches = list(loader)
        assert [len(batch['inputs']) for batch in batches] == [64, 64, 64, 8]
        dataset = loader.dataset
        for batch in batches:
            for image, sample in zip(batch['inputs'], batch['data_samples']):
                assert torch.equal(image, dataset.images[sample.sample_idx])
                assert sample.gt_label == dataset.labels[sample.sample_idx]
                assert isinstance(sample.sample_idx.draw, int)

    def test_collate__samples_of_a_subset(self):
        dataset = ResidentDataset(DigitsLT(split='val', pipeline=[]))
        batch = next(iter(DataLoader(Subset(dataset, [7, 9]), 2, collate_fn=resident_collate)))
        assert torch.equal(batch['inputs'], dataset.images[[7, 9]])

    def test_views__do_not_depend_on_the_batch_size(self):
        dataset = ResidentDataset(DigitsLT(split='val', pipeline=[]))
        preprocessor = MultiViewDataPreprocessor(
            mean=[127.5] * 3,
            std=[64] * 3,
            view_augments=[dict(type='CifarClsAugment')] + [dict(type='CifarSimAugment')] * 2,
        )
        views = {}
        for batch_size in (50, 200):
            rows = [
                preprocessor(batch, training=True)['inputs'].view(3, -1, 3, 32, 32)
                for batch in self.make_loader(dataset, batch_size)
            ]
            views[batch_size] = torch.cat(rows, 1)
        torch.testing.assert_close(views[50], views[200], atol=1e-3, rtol=0)
        assert isinstance(preprocessor.view_augments[0], CifarClsAugment)
        assert isinstance(preprocessor.view_augments[2], CifarSimAugment)

    def test_speed__twenty_thousand_images_a_second(self):
        dataset = ResidentDataset(DigitsLT(split='trainval', pipeline=[]))
        loader = self.make_loader(dataset, 256)
        best = 0.0
        for _ in range(5):
            start = time.process_time()
            images = sum(len(batch['inputs']) for batch in loader)
            best = max(best, images / (time.process_time() - start))
        assert best > 20000
