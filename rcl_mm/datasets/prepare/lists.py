"""Checking ImageNet-LT, iNaturalist 2018 and Places-LT against their list files."""

import json
import posixpath
from pathlib import Path
from typing import Dict, Type

import numpy as np

from rcl_mm.class_counts import count_labels, shot_groups
from rcl_mm.datasets.benchmarks import ImageNetLT, INaturalist2018, ListBenchmark, PlacesLT
from rcl_mm.datasets.image_lists import scan_image_list
from rcl_mm.datasets.prepare.images import check_images
from rcl_mm.datasets.prepare.report import Report, Split
from rcl_mm.runtime.files import replacing
from rcl_mm.text_files import ANY_NAME, decode_text

LIST_BENCHMARKS: Dict[str, Type[ListBenchmark]] = {
    cls.NAME: cls for cls in (ImageNetLT, INaturalist2018, PlacesLT)
}

_LISTS_AT = 'https://github.com/facebookresearch/classifier-balancing (folder data/{})'

HOW_TO_GET = {
    'imagenet_lt': f"""\
1. Images: ILSVRC2012 train and val from https://image-net.org (registration), unpacked to one
   folder per class, the val images too:
     ROOT/train/n01440764/n01440764_190.JPEG ...   (1,000 folders)
     ROOT/val/n01440764/ILSVRC2012_val_00000293.JPEG ...
2. Lists: ImageNet_LT_train.txt, ImageNet_LT_val.txt, ImageNet_LT_test.txt from
   {_LISTS_AT.format('ImageNet_LT')}, in ROOT or ROOT/ImageNet_LT.
3. Run this again; then give ROOT as data_root.""",
    'inaturalist2018': f"""\
1. Images: train_val2018.tar.gz from https://github.com/visipedia/inat_comp/tree/master/2018,
   unpacked to
     ROOT/train_val2018/Plantae/7477/3b60c9486db1d2ee875f11a669fbde4a.jpg ...
2. Lists: iNaturalist18_train.txt and iNaturalist18_val.txt from
   {_LISTS_AT.format('iNaturalist18')}, in ROOT or ROOT/iNaturalist18; or
   train2018.json and val2018.json of the challenge in ROOT, and --make-lists here.
3. Run this again; then give ROOT as data_root.""",
    'places_lt': f"""\
1. Images: the small (256x256) train and val images of Places365-Standard from
   http://places2.csail.mit.edu/download.html, laid out as the lists name them:
     ROOT/train/airfield/00004851.jpg ...
     ROOT/val/airfield/Places365_val_00003597.jpg ...
2. Lists: Places_LT_train.txt, Places_LT_val.txt, Places_LT_test.txt from
   {_LISTS_AT.format('Places_LT')}, in ROOT or ROOT/Places_LT. (Other copies
   of the lists begin the paths with data_256/a/ and val_256/: the images go where the list says.)
3. Run this again; then give ROOT as data_root.""",
}


def make_inaturalist_lists(root: Path, report: Report) -> None:
    """Write the list files that are missing from the challenge's JSON files."""
    for split in INaturalist2018.TOTALS:
        target = root / INaturalist2018.find_list(str(root), split)
        source = root / f'{split}2018.json'
        if target.is_file() or not source.is_file():
            continue
        try:
            data = json.loads(decode_text(source.read_bytes(), source))
            paths = {image['id']: image['file_name'] for image in data['images']}
            lines = [f'{paths[a["image_id"]]} {a["category_id"]}\n' for a in data['annotations']]
        except (ValueError, KeyError, TypeError) as error:
            report.add(
                'annotation files that can not be read',
                f'{source} is not the JSON of the challenge ({type(error).__name__}: {error})',
            )
            continue
        with replacing(target) as unfinished:
            unfinished.write_text(''.join(lines), encoding='utf-8', errors=ANY_NAME)
        report.notes.append(f'{target} was made from {source.name}: {len(lines):,} images')


def check_list_benchmark(
    report: Report, decode: bool, make_lists: bool, workers: int, start_progress
) -> None:
    """Check lists, totals, classes and images of a benchmark; findings go to ``report``."""
    cls = LIST_BENCHMARKS[report.name]
    root = report.root
    report.how_to_get = HOW_TO_GET[report.name].replace('ROOT', str(root))
    report.classes = list(cls.METAINFO['classes'])
    if make_lists:
        make_inaturalist_lists(root, report)
    lists = {}
    for split, published in cls.TOTALS.items():
        list_file = root / cls.find_list(str(root), split)
        if not list_file.is_file():
            places = ', '.join(cls.list_candidates(split))
            report.add('lists that are missing', f'{split}: none of {places} is in {root}')
            continue
        try:
            paths, labels, problems = scan_image_list(list_file, cls.NUM_CLASSES)
        except ValueError as error:
            report.add('lists that can not be read', str(error))
            continue
        report.add('bad lines', *problems)
        counts = count_labels(labels, cls.NUM_CLASSES)
        report.splits[split] = Split(len(paths), published, counts)
        lists[split] = paths
        if len(paths) != published:
            report.add(
                'wrong numbers of images',
                f'{list_file} has {len(paths):,} images, the published {split} split {published:,}',
            )
        elif split == 'train' and cls.SHOTS is not None:
            shots = tuple(len(group) for group in shot_groups(counts).values())
            if shots != cls.SHOTS:
                report.add(
                    'wrong numbers of images',
                    f'{list_file} has {shots} many/medium/few-shot classes, published {cls.SHOTS}',
                )
        empty = np.flatnonzero(counts == 0)
        if len(paths) and empty.size:
            shown = ', '.join(map(str, empty[:10])) + (', ...' if empty.size > 10 else '')
            report.add(
                'classes without an image', f'{list_file}: {empty.size} classes, labels {shown}'
            )
    _check_disjoint(report, lists)
    if 'train' in report.splits:
        report.class_counts = report.splits['train'].counts
    files = [root / path for paths in lists.values() for path in paths]
    with start_progress(f'{"reading" if decode else "looking for"} images', len(files)) as advance:
        check_images(report, files, decode, advance, workers)


def _check_disjoint(report: Report, lists: Dict[str, list]) -> None:
    # The same file can be written in several ways: train/a.jpg, ./train/a.jpg.
    lists = {split: set(map(posixpath.normpath, paths)) for split, paths in lists.items()}
    names = list(lists)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = sorted(lists[first] & lists[second])
            if shared:
                report.add(
                    'images in two splits',
                    f'{len(shared):,} images are in {first} and in {second}, e.g. {shared[0]}',
                )
