"""ImageNetLT, INaturalist2018, PlacesLT on small lists."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import ImageNetLT, INaturalist2018, PlacesLT

LISTS = {
    ImageNetLT: ('ImageNet_LT_train.txt', 'train/n01440764/n01440764_{}.JPEG'),
    INaturalist2018: ('iNaturalist18_train.txt', 'train_val2018/Plantae/7477/{}.jpg'),
    PlacesLT: ('Places_LT_train.txt', 'data_256/a/airfield/{}.jpg'),
}
LABELS = [0, 0, 0, 2, 1, 2]


@pytest.fixture(params=list(LISTS), ids=lambda c: c.__name__)
def benchmark(request, tmp_path):
    cls = request.param
    name, pattern = LISTS[cls]
    lines = [f'{pattern.format(i)} {label}' for i, label in enumerate(LABELS)]
    (tmp_path / name).write_text('\n'.join(lines) + '\n')
    return cls, tmp_path, pattern


def test_reads_the_standard_list(benchmark):
    cls, root, pattern = benchmark
    dataset = DATASETS.build(dict(type=cls.__name__, data_root=str(root), split='train'))
    assert len(dataset) == 6 and dataset.get_gt_labels().tolist() == LABELS
    assert dataset.get_gt_labels().dtype == np.int64
    assert dataset.get_data_info(3)['img_path'] == str(root / pattern.format(3))
    counts = [3, 1, 2] + [0] * (cls.NUM_CLASSES - 3)
    assert dataset.class_counts.tolist() == counts == dataset.metainfo['class_counts']
    assert len(dataset.metainfo['classes']) == cls.NUM_CLASSES
    assert dataset_class_counts(dataset).tolist() == counts
    assert dataset[DrawIndex(2, 9)]['sample_idx'].draw == 9


def test_list_folders_and_prefix(tmp_path):
    (tmp_path / 'Places_LT_v2').mkdir()
    (tmp_path / 'Places_LT_v2' / 'Places_LT_val.txt').write_text('a.jpg 364\n')
    dataset = PlacesLT(data_root=str(tmp_path), split='val', data_prefix='images')
    assert dataset.get_data_info(0)['img_path'] == str(tmp_path / 'images' / 'a.jpg')
    # Counts of a held-out split must never be taken for those of the training set.
    assert 'class_counts' not in dataset.metainfo
    assert dataset.class_counts[364] == 1


def test_own_list_and_classes(tmp_path):
    (tmp_path / 'own.txt').write_text('a.jpg 1\n')
    dataset = ImageNetLT(data_root=str(tmp_path), ann_file='own.txt', classes=['cat', 'dog'])
    assert dataset.class_counts.tolist() == [0, 1]
    assert dataset.metainfo['classes'] == ('cat', 'dog')


def test_subsets_count_anew(benchmark):
    cls, root, _ = benchmark
    dataset = cls(data_root=str(root))
    assert dataset.metainfo['class_counts'][:3] == [3, 1, 2]
    assert dataset.get_subset([0, 3]).metainfo['class_counts'][:3] == [1, 0, 1]
    dataset.get_subset_([4])
    assert dataset.metainfo['class_counts'][:3] == [0, 1, 0]
    assert cls(data_root=str(root), indices=2).class_counts[0] == 2


def test_lazy_init(benchmark):
    cls, root, _ = benchmark
    dataset = cls(data_root=str(root), lazy_init=True)
    assert 'class_counts' not in dataset.metainfo and not dataset._fully_initialized
    assert len(dataset) == 6


def test_check_totals(benchmark):
    cls, root, _ = benchmark
    total = f'{cls.TOTALS["train"]:,}'
    with pytest.raises(ValueError, match=f'has 6 images, the published split has {total}'):
        cls(data_root=str(root), check_totals=True)


def test_published_totals():
    assert (ImageNetLT.TOTALS['train'], ImageNetLT.NUM_CLASSES) == (115_846, 1000)
    assert (INaturalist2018.TOTALS['train'], INaturalist2018.NUM_CLASSES) == (437_513, 8142)
    assert (PlacesLT.TOTALS['train'], PlacesLT.NUM_CLASSES) == (62_500, 365)
    for cls in LISTS:
        assert len(cls.METAINFO['classes']) == cls.NUM_CLASSES
        assert cls.SHOTS is None or sum(cls.SHOTS) == cls.NUM_CLASSES


def test_no_list(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'meta/ImageNet_LT_val.txt.*prepare_data.py imag'):
        ImageNetLT(data_root=str(tmp_path), split='val')


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="has no split 'test', allowed are train, val"):
        INaturalist2018(data_root=str(tmp_path), split='test')


@pytest.mark.parametrize('line', ['a.jpg 1000', 'a.jpg', '../a.jpg 0', 'train/0.jpg 1'])
def test_bad_list(tmp_path, line):
    path = tmp_path / 'ImageNet_LT_train.txt'
    path.write_text(f'train/0.jpg 0\n{line}\n')
    with pytest.raises(ValueError, match=f'{path}, line 2: '):
        ImageNetLT(data_root=str(tmp_path))


def test_outside_root(tmp_path):
    (tmp_path / 'ImageNet_LT_train.txt').write_text('/elsewhere/a.jpg 0\n')
    dataset = ImageNetLT(data_root=str(tmp_path), allow_outside_root=True)
    assert dataset.get_data_info(0)['img_path'] == '/elsewhere/a.jpg'


def test_loads_images(tmp_path):
    (tmp_path / 'train').mkdir()
    img = np.full((20, 30, 3), (10, 20, 30), np.uint8)
    cv2.imwrite(str(tmp_path / 'train' / 'a.png'), img)
    (tmp_path / 'ImageNet_LT_train.txt').write_text('train/a.png 7\n')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    sample = ImageNetLT(data_root=str(tmp_path), pipeline=pipeline)[DrawIndex(0, 3)]
    assert sample['inputs'].shape == (3, 20, 30) and sample['inputs'][0, 0, 0] == 10
    assert sample['data_samples'].gt_label.tolist() == [7]


def test_none_from_the_pipeline_takes_another_by_the_draw(benchmark):
    cls, root, _ = benchmark

    def only_class_2(results):
        return results if results['gt_label'] == 2 else None

    dataset = cls(data_root=str(root), pipeline=[only_class_2])
    chosen = [int(dataset[DrawIndex(0, draw)]['sample_idx']) for draw in range(30)]
    assert set(chosen) == {3, 5}
    np.random.seed(4)
    assert chosen == [int(dataset[DrawIndex(0, draw)]['sample_idx']) for draw in range(30)]


def test_nothing_usable(benchmark):
    cls, root, _ = benchmark
    dataset = cls(data_root=str(root), pipeline=[lambda results: None], max_refetch=3)
    with pytest.raises(RuntimeError, match='none of 4 samples was usable'):
        dataset[0]
