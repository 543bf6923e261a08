"""Crops chosen by the loader and cut on the device, against torchvision, PIL and timm."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision.transforms as T
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.datasets.transforms import PackInputs
from mmpretrain.registry import MODELS, TRANSFORMS
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data.auto_augment import rand_augment_transform
from torch.utils.data import DataLoader, Dataset

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.augment.imagenet import RandClsAugment, SimAugment
from rcl_mm.datasets.crop_on_device import CropOnDevice, PackFast, crop_and_resize, fast_collate
from rcl_mm.models import DeviceCropPreprocessor, MultiViewDataPreprocessor

IMAGENET = Path(__file__).parents[2] / 'configs/_base_/datasets/imagenet_lt.py'


@pytest.fixture(scope='module')
def photos():
    """Two photographs, RGB 427x640."""
    return [image.copy() for image in load_sample_images().images]


def results(image, index=0, draw=None, label=1):
    index = index if draw is None else DrawIndex(index, draw)
    return dict(img=image, sample_idx=index, gt_label=label, ori_shape=image.shape[:2])


def packed(image, views=3, size=96, max_size=512, **kwargs):
    return PackFast()(CropOnDevice(views, size, max_size=max_size)(results(image, **kwargs)))


def boxes(image, **kwargs):
    return CropOnDevice(2, max_size=1000)(results(image, **kwargs))['crop_boxes']


class Same(torch.nn.Module):
    """A view that is the crop alone."""

    def forward(self, images, draws, view):
        return images


class TestCropAndResize:
    @pytest.mark.parametrize('box', [(20, 30, 300, 370), (0, 0, 427, 640), (50, 60, 150, 200)])
    def test_crop__pil(self, photos, box):
        top, left, height, width = box
        out = crop_and_resize(photos[0], box, 224)
        crop = Image.fromarray(photos[0]).crop((left, top, left + width, top + height))
        expected = np.asarray(crop.resize((224, 224), Image.BILINEAR))
        assert np.abs(out.astype(int) - expected).max() <= 1


class TestCropOnDevice:
    @pytest.mark.parametrize('max_size', [700, 512])
    def test_crops__those_of_pil(self, photos, max_size):
        """Whole images, and crops laid side by side for images that are too large."""
        batch = fast_collate([packed(photos[i], max_size=max_size, draw=i + 3) for i in range(2)])
        expected_shape = (2, 3, 427, 640) if max_size == 700 else (2, 3, 192, 192)
        assert batch['inputs'].shape == expected_shape
        preprocessor = DeviceCropPreprocessor(view_size=96, view_augments=[Same()] * 3)
        result = preprocessor(batch, training=True)['inputs'].view(3, 2, 3, 96, 96)
        for i in range(2):
            chosen = CropOnDevice(3, 96, max_size=700)(results(photos[i], draw=i + 3))
            for view, (top, left, height, width) in enumerate(chosen['crop_boxes'].tolist()):
                crop = Image.fromarray(photos[i]).crop((left, top, left + width, top + height))
                expected = np.asarray(crop.resize((96, 96), Image.BILINEAR)).astype(int)
                own = result[view, i].permute(1, 2, 0).numpy()
                assert np.abs(own - expected).max() <= 1

    def test_boxes__depend_on_draw_and_view_alone(self, photos):
        first = boxes(photos[0], draw=11)
        np.random.seed(1)
        assert np.array_equal(boxes(photos[0], index=5, draw=11), first)
        assert not np.array_equal(first[0], first[1])
        assert not np.array_equal(boxes(photos[0], draw=12), first)

    def test_boxes__without_draw_from_numpy(self, photos):
        np.random.seed(3)
        first, second = boxes(photos[0]), boxes(photos[0])
        np.random.seed(3)
        assert np.array_equal(boxes(photos[0]), first)
        assert not np.array_equal(first, second)

    def test_views__of_a_baseline_are_the_first_ones(self, photos):
        """So that a twin with fewer views sees the same classifier's view."""
        image = photos[0][:400, :500]
        three, one = (CropOnDevice(n)(results(image, draw=4))['crop_boxes'] for n in (3, 1))
        assert np.array_equal(three[:1], one)

    def test_image__is_not_changed(self, photos):
        image = photos[0].copy()
        for max_size in (100, 1000):
            CropOnDevice(max_size=max_size)(results(image, draw=1))
        assert np.array_equal(image, photos[0])

    @pytest.mark.filterwarnings('error')
    def test_image__read_only_or_reversed_in_memory(self, photos):
        read_only, reversed_twice = photos[0].copy(), photos[0][..., ::-1].copy()[..., ::-1]
        read_only.flags.writeable = False
        for max_size, shape in ((100, (3, 192, 192)), (1000, (3, 427, 640))):
            expected = packed(photos[0], max_size=max_size, draw=5)['inputs']
            assert expected.shape == shape
            for image in (read_only, reversed_twice):
                assert torch.equal(packed(image, max_size=max_size, draw=5)['inputs'], expected)

    def test_preprocessor__augments_and_validates(self, photos):
        augments = [RandClsAugment(), SimAugment(), SimAugment()]
        preprocessor = DeviceCropPreprocessor(
            mean=[120.0] * 3, std=[60.0] * 3, view_size=64, view_augments=augments
        )
        samples = [packed(photo, size=64, draw=7 + i) for i, photo in enumerate(photos)]
        batch = preprocessor(fast_collate(samples), training=True)
        assert batch['inputs'].shape == (6, 3, 64, 64)
        assert [len(s.gt_label) for s in batch['data_samples']] == [1, 1]
        # One image in testing, as always.
        test = dict(inputs=torch.zeros(2, 3, 64, 64), data_samples=batch['data_samples'])
        assert preprocessor(test, training=False)['inputs'].shape == (2, 3, 64, 64)
        with pytest.raises(ValueError, match='crop_boxes for 3 views'):
            plain = [PackInputs()(results(photo)) for photo in photos]
            preprocessor(fast_collate(plain), training=True)
        with pytest.raises(ValueError, match='view_augments'):
            DeviceCropPreprocessor()


def statistics(images):
    """Per image: mean and deviation of each channel, roughness, colourfulness; (N, 8)."""
    x = np.stack(images).astype(np.float32)
    rough = np.abs(np.diff(x, axis=2)).mean((1, 2, 3))
    color = (x.max(3) - x.min(3)).mean((1, 2))
    return np.concatenate([x.mean((1, 2)), x.std((1, 2)), rough[:, None], color[:, None]], 1)


SIM = [
    T.RandomResizedCrop(64, (0.08, 1)),
    T.RandomHorizontalFlip(),
    T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
    T.RandomGrayscale(0.2),
]
RAND = rand_augment_transform('rand-n2-m10-mstd0.5', dict(img_mean=(124, 116, 104)))
REFERENCES = dict(
    sim_view=SIM,
    rand_view=[*SIM, RAND],
    randcls_view=[*SIM[:2], T.ColorJitter(0.4, 0.4, 0.4, 0), RAND],
)


@pytest.mark.parametrize('view', REFERENCES)
def test_views_of_the_recipe__distribution_of_torchvision_and_timm(photos, view):
    """Whole views, as the ImageNet recipes name them.

    Within five standard errors, and two grey levels for PIL's truncation at each step.
    """
    n = 500
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    base = Config.fromfile(IMAGENET)
    crop = TRANSFORMS.build({**base.one_view_pipeline[1], 'size': 64})
    preprocessor = MODELS.build(
        dict(type='DeviceCropPreprocessor', view_size=64, view_augments=[base[view]])
    )
    small = [np.ascontiguousarray(cv2.resize(photo, (192, 128))) for photo in photos]
    images = [small[i % 2] for i in range(n)]
    samples = [PackFast()(crop(results(x, draw=i * 7919 + 5))) for i, x in enumerate(images)]
    own = preprocessor(fast_collate(samples), training=True)['inputs'].permute(0, 2, 3, 1)
    pipeline = T.Compose(REFERENCES[view])
    theirs = [np.asarray(pipeline(Image.fromarray(image))) for image in images]
    own, theirs = statistics(own.numpy()), statistics(theirs)
    error = np.sqrt(own.var(0) / n + theirs.var(0) / n)
    difference = np.abs(own.mean(0) - theirs.mean(0))
    assert (difference < 5 * error + 2).all(), (difference, error)
    spread = np.abs(np.log(own.std(0) / theirs.std(0)))
    assert (spread < 5 / np.sqrt(n)).all(), spread


def test_view_augments__see_rgb_whatever_the_loader_gives():
    seen = []

    class Look(torch.nn.Module):
        def forward(self, images, draws, view):
            seen.append(images.clone())
            return images

    bgr = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).byte()
    options = dict(mean=[0.0] * 3, std=[1.0] * 3, view_augments=[Look()])
    result = MultiViewDataPreprocessor(to_rgb=True, **options)(dict(inputs=bgr), training=True)
    assert torch.equal(seen[0], bgr.flip(1))
    assert torch.equal(result['inputs'], bgr.flip(1).float())
    result = MultiViewDataPreprocessor(to_rgb=False, **options)(dict(inputs=bgr), training=True)
    assert torch.equal(seen[1], bgr)
    assert torch.equal(result['inputs'], bgr.float())


class Photos(Dataset):
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return packed(self.images[i % 2][: 300 + 10 * i], max_size=700, index=i, draw=i, label=i)


class TestPackAndCollate:
    def test_pack__as_mmpretrain_packs(self, photos):
        own = packed(photos[0], max_size=700, index=4, draw=4, label=3)
        plain = PackInputs()(results(photos[0], 4, label=3))
        assert torch.equal(own['inputs'], plain['inputs'])
        assert own['data_samples'].gt_label.equal(plain['data_samples'].gt_label)
        assert own['data_samples'].ori_shape == plain['data_samples'].ori_shape

    def test_pack__without_crops(self, photos):
        with pytest.raises(ValueError, match='put CropOnDevice before it'):
            PackFast()(results(photos[0]))

    @pytest.mark.parametrize('workers', [0, 1, 2])
    def test_collate__batches_do_not_depend_on_workers(self, photos, workers):
        dataset = Photos(photos)
        loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=fast_collate)
        for number, batch in enumerate(loader):
            images = batch['inputs']
            # A worker's batch lies in shared memory, made there.
            assert images.is_shared() == (workers > 0)
            assert images.is_contiguous(memory_format=torch.channels_last)
            for row in range(4):
                expected = dataset[4 * number + row]['inputs']
                assert torch.equal(images[row, :, : expected.shape[1]], expected)
                assert (images[row, :, expected.shape[1] :] == 0).all()
            labels = [int(sample.gt_label) for sample in batch['data_samples']]
            assert labels == list(range(4 * number, 4 * number + 4))

    def test_collate__a_batch_in_use_is_not_written_to(self, photos):
        dataset = Photos(photos)
        kept = [batch['inputs'] for batch in DataLoader(dataset, 2, collate_fn=fast_collate)]
        for number, images in enumerate(kept):
            for row in range(2):
                expected = dataset[2 * number + row]['inputs']
                assert torch.equal(images[row, :, : expected.shape[1]], expected)

    def test_collate__pads_below_and_to_the_right(self, photos):
        shapes = ((4, 6), (5, 2))
        samples = [packed(np.full((*shape, 3), 7, np.uint8)) for shape in shapes]
        batch = fast_collate(samples)['inputs']
        assert batch.shape == (2, 3, 5, 6)
        for image, (height, width) in zip(batch, shapes):
            assert (image[:, :height, :width] == 7).all()
            assert (image[:, height:] == 0).all() and (image[:, :, width:] == 0).all()

    def test_collate__own_pipelines_as_mmengine_does(self, photos):
        """A user's own transforms under the base files' loader: one image, or a list of views."""
        one = [PackInputs()(results(photo, i)) for i, photo in enumerate(photos)]
        views = [PackInputs()({**results(photo), 'img': [photo, photo]}) for photo in photos]
        for samples in (one, views):
            ours, theirs = fast_collate(samples), default_collate(samples)
            assert type(ours['inputs']) is type(theirs['inputs'])
            assert all(map(torch.equal, ours['inputs'], theirs['inputs']))
        different = [PackInputs()(results(photos[0][:size])) for size in (40, 50)]
        with pytest.raises(RuntimeError, match='equal size'):
            fast_collate(different)
