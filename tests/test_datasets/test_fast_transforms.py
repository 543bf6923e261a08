"""The fast views against torchvision, PIL and timm."""

import random

import cv2
import numpy as np
import pytest
import torch
import torchvision.transforms as T
from mmpretrain.datasets.transforms import PackInputs
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images
from timm.data.auto_augment import rand_augment_transform
from torch.utils.data import DataLoader, Dataset

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.augment.imagenet import RandClsAugment, SimAugment
from rcl_mm.datasets.fast_packing import PackFast, fast_collate
from rcl_mm.datasets.fast_transforms import CropOnDevice, FastMultiView, crop_and_resize
from rcl_mm.models import DeviceCropPreprocessor, MultiViewDataPreprocessor


@pytest.fixture(scope='module')
def photos():
    """Two photographs, RGB 427x640."""
    return [image.copy() for image in load_sample_images().images]


def results(image, index=0, draw=None, label=1):
    index = index if draw is None else DrawIndex(index, draw)
    return dict(img=image, sample_idx=index, gt_label=label, ori_shape=image.shape[:2])


class TestCropAndResize:
    @pytest.mark.parametrize('box', [(20, 30, 300, 370), (0, 0, 427, 640), (50, 60, 150, 200)])
    @pytest.mark.parametrize('flip', [False, True])
    def test_crop__pil(self, photos, box, flip):
        top, left, height, width = box
        out = np.empty((224, 224, 3), np.uint8)
        crop_and_resize(photos[0], box, out, flip)
        crop = Image.fromarray(photos[0]).crop((left, top, left + width, top + height))
        resized = crop.resize((224, 224), Image.BILINEAR)
        expected = np.asarray(ImageOps.mirror(resized) if flip else resized)
        assert np.abs(out.astype(int) - expected).max() <= 1


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
    sim=SIM,
    rand=[*SIM, RAND],
    randcls=[*SIM[:2], T.ColorJitter(0.4, 0.4, 0.4, 0), RAND],
)


class TestFastMultiView:
    @pytest.mark.parametrize('view', REFERENCES)
    def test_views__distribution_of_torchvision_and_timm(self, photos, view):
        """Within five standard errors, and a grey level for PIL's truncation at each step."""
        n = 500
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        small = [np.ascontiguousarray(cv2.resize(p, (192, 128))) for p in photos]
        transform = FastMultiView([view], size=64, channel_order='rgb')
        pipeline = T.Compose(REFERENCES[view])
        own, theirs = [], []
        for i in range(n):
            image = small[i % 2]
            own.append(transform(results(image, draw=i * 7919 + 5))['img'][0].copy())
            theirs.append(np.asarray(pipeline(Image.fromarray(image))))
        own, theirs = statistics(own), statistics(theirs)
        error = np.sqrt(own.var(0) / n + theirs.var(0) / n)
        difference = np.abs(own.mean(0) - theirs.mean(0))
        assert (difference < 5 * error + 1).all(), (difference, error)
        spread = np.abs(np.log(own.std(0) / theirs.std(0)))
        assert (spread < 5 / np.sqrt(n)).all(), spread

    def test_views__depend_on_draw_and_view_alone(self, photos):
        transform = FastMultiView(['sim', 'sim'], size=32)
        first = [v.copy() for v in transform(results(photos[0], draw=11))['img']]
        np.random.seed(1)
        again = transform(results(photos[0], index=5, draw=11))['img']
        assert all(np.array_equal(a, b) for a, b in zip(first, again))
        assert not np.array_equal(first[0], first[1])
        other = transform(results(photos[0], draw=12))['img']
        assert not np.array_equal(first[0], other[0])

    def test_views__without_draw_from_numpy(self, photos):
        transform = FastMultiView(['sim'], size=32)
        np.random.seed(3)
        first, second = (transform(results(photos[0]))['img'][0].copy() for _ in range(2))
        np.random.seed(3)
        assert np.array_equal(transform(results(photos[0]))['img'][0], first)
        assert not np.array_equal(first, second)

    def test_channel_order__bgr_is_rgb_reversed(self, photos):
        rgb = FastMultiView(size=48, channel_order='rgb')
        bgr = FastMultiView(size=48, channel_order='bgr')
        reverse = np.ascontiguousarray(photos[0][..., ::-1])
        for draw in range(20):
            ours = [v.copy() for v in rgb(results(photos[0], draw=draw))['img']]
            theirs = bgr(results(reverse, draw=draw))['img']
            for a, b in zip(ours, theirs):
                assert np.abs(a.astype(int) - b[..., ::-1]).max() <= 1

    def test_image__is_not_changed(self, photos):
        image = photos[0].copy()
        FastMultiView()(results(image, draw=1))
        assert np.array_equal(image, photos[0])

    @pytest.mark.filterwarnings('error')
    def test_image__read_only_or_reversed_in_memory(self, photos):
        expected = FastMultiView()(results(photos[0], draw=5))['img']
        read_only, reversed_twice = photos[0].copy(), photos[0][..., ::-1].copy()[..., ::-1]
        read_only.flags.writeable = False
        for image in (read_only, reversed_twice):
            views = FastMultiView()(results(image, draw=5))['img']
            assert all(map(np.array_equal, views, expected))
            for max_size, shape in ((100, (448, 448, 3)), (1000, image.shape)):
                packed = PackFast()(CropOnDevice(max_size=max_size)(results(image, draw=5)))
                assert packed['inputs'].shape == shape

    def test_bad_input__one_clear_error(self):
        with pytest.raises(ValueError, match="'strong', allowed are crop, sim"):
            FastMultiView(['strong'])
        with pytest.raises(ValueError, match='blur'):
            FastMultiView([dict(blur=1)])
        with pytest.raises(ValueError, match='5 steps, allowed is 0 to 4'):
            FastMultiView([dict(rand_augment=(5, 10, 0.5))])


class TestCropOnDevice:
    @pytest.mark.parametrize('max_size', [700, 512])
    def test_crops__the_same_as_on_the_cpu(self, photos, max_size):
        """Whole images, and crops laid side by side for images that are too large."""
        pack, views = PackFast(), 3
        chosen = CropOnDevice(views, 96, max_size=max_size)
        on_cpu = FastMultiView(['crop'] * views, 96)
        batch = fast_collate([pack(chosen(results(photos[i], i, draw=i + 3))) for i in range(2)])
        expected_shape = (2, 3, 427, 640) if max_size == 700 else (2, 3, 192, 192)
        assert batch['inputs'].shape == expected_shape
        same = torch.nn.Identity()
        same.forward = lambda images, draws, view: images
        preprocessor = DeviceCropPreprocessor(view_size=96, view_augments=[same] * views)
        result = preprocessor(batch, training=True)['inputs'].view(views, 2, 3, 96, 96)
        for i in range(2):
            for view, image in enumerate(on_cpu(results(photos[i], draw=i + 3))['img']):
                own = result[view, i].permute(1, 2, 0).numpy()
                assert np.abs(own - image).max() <= 1

    def test_preprocessor__augments_and_validates(self, photos):
        augments = [RandClsAugment(), SimAugment(), SimAugment()]
        preprocessor = DeviceCropPreprocessor(
            mean=[120.0] * 3, std=[60.0] * 3, view_size=64, view_augments=augments
        )
        pack = PackFast()
        samples = [pack(CropOnDevice(3, 64)(results(p, draw=7 + i))) for i, p in enumerate(photos)]
        batch = preprocessor(fast_collate(samples), training=True)
        assert batch['inputs'].shape == (6, 3, 64, 64)
        assert [len(s.gt_label) for s in batch['data_samples']] == [1, 1]
        # One image in testing, as always.
        test = dict(inputs=torch.zeros(2, 3, 64, 64), data_samples=batch['data_samples'])
        assert preprocessor(test, training=False)['inputs'].shape == (2, 3, 64, 64)
        with pytest.raises(ValueError, match='crop_boxes for 3 views'):
            plain = [pack(results(p)) for p in photos]
            preprocessor(fast_collate(plain), training=True)
        with pytest.raises(ValueError, match='view_augments'):
            DeviceCropPreprocessor()


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
    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return 8

    def __getitem__(self, i):
        image = self.images[i % 2][: 300 + 10 * i]
        return PackFast()(self.transform(results(image, i, draw=i, label=i)))


class TestPackAndCollate:
    def test_pack__as_mmpretrain_packs(self, photos):
        data = results(photos[0], 4, label=3)
        own, plain = PackFast()(dict(data)), PackInputs()(dict(data))
        assert torch.equal(own['inputs'].permute(2, 0, 1), plain['inputs'])
        assert own['data_samples'].gt_label.equal(plain['data_samples'].gt_label)
        assert own['data_samples'].ori_shape == plain['data_samples'].ori_shape

    @pytest.mark.parametrize('workers', [0, 1, 2])
    def test_collate__views_do_not_depend_on_workers(self, photos, workers):
        dataset = Photos(photos, FastMultiView(size=40))
        loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=fast_collate)
        expected = [[v.clone() for v in dataset[i]['inputs']] for i in range(8)]
        for number, batch in enumerate(loader):
            assert len(batch['inputs']) == 3
            # A worker's batch lies in shared memory, copied there or made there.
            assert all(images.is_shared() == (workers > 0) for images in batch['inputs'])
            for view, images in enumerate(batch['inputs']):
                assert images.shape == (4, 3, 40, 40)
                assert images.is_contiguous(memory_format=torch.channels_last)
                for row in range(4):
                    own = images[row].permute(1, 2, 0)
                    assert torch.equal(own, expected[4 * number + row][view])
            labels = [int(sample.gt_label) for sample in batch['data_samples']]
            assert labels == list(range(4 * number, 4 * number + 4))

    def test_collate__a_batch_in_use_is_not_written_to(self, photos):
        dataset = Photos(photos, FastMultiView(['crop'], size=24))
        loader = DataLoader(dataset, 2, collate_fn=fast_collate)
        kept = [batch['inputs'][0] for batch in loader]
        for number, images in enumerate(kept):
            for row in range(2):
                expected = dataset[2 * number + row]['inputs'][0]
                assert torch.equal(images[row].permute(1, 2, 0), expected)

    def test_collate__pads_below_and_to_the_right(self):
        images = [torch.full((4, 6, 3), 7, dtype=torch.uint8), torch.ones(5, 2, 3).byte()]
        batch = fast_collate([dict(inputs=image, data_samples=None) for image in images])['inputs']
        assert batch.shape == (2, 3, 5, 6)
        assert (batch[0, :, :4] == 7).all() and (batch[0, :, 4:] == 0).all()
        assert (batch[1, :, :, :2] == 1).all() and (batch[1, :, :, 2:] == 0).all()
