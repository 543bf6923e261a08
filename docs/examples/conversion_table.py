"""MMPretrain's own configs, turned into RCL and stepped: python docs/examples/conversion_table.py

Each config of ``CONFIGS``, read from the installed MMPretrain, is converted, its pipeline is run on
two photographs, and its model makes one training step at the config's own input size. The table
goes to docs/conversion_table.md.
"""

import argparse
import os.path as osp
import sys
import time
import warnings
from typing import Dict, List

import mmpretrain
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS, TRANSFORMS
from sklearn.datasets import load_sample_images
from tabulate import tabulate

from rcl_mm.conversion import convert_config

MMPRETRAIN_CONFIGS = osp.join(osp.dirname(mmpretrain.__file__), '.mim', 'configs')
HEADER = (
    'config',
    'backbone',
    'head before',
    'in_channels',
    'classes',
    'input',
    'parameters (M)',
    'loss_cls',
    'loss_con',
)
# One small model of each family, and some families twice where heads or data differ.
CONFIGS = (
    'resnet/resnet18_8xb16_cifar10.py',
    'resnet/resnet18_8xb32_in1k.py',
    'resnet/resnet50_8xb8_cub.py',
    'resnext/resnext50-32x4d_8xb32_in1k.py',
    'seresnet/seresnet50_8xb32_in1k.py',
    'wrn/wide-resnet50_8xb32_in1k.py',
    'res2net/res2net50-w14-s8_8xb32_in1k.py',
    'resnest/resnest50_32xb64_in1k.py',
    'regnet/regnetx-400mf_8xb128_in1k.py',
    'repvgg/repvgg-A0_8xb32_in1k.py',
    'mobileone/mobileone-s0_8xb32_in1k.py',
    'mobilenet_v2/mobilenet-v2_8xb32_in1k.py',
    'mobilenet_v3/mobilenet-v3-small-050_8xb128_in1k.py',
    'mobilenet_v3/mobilenet-v3-small_8xb16_cifar10.py',
    'shufflenet_v1/shufflenet-v1-1x_16xb64_in1k.py',
    'shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py',
    'efficientnet/efficientnet-b0_8xb32_in1k.py',
    'efficientnet_v2/efficientnetv2-b0_8xb32_in1k.py',
    'densenet/densenet121_4xb256_in1k.py',
    'hrnet/hrnet-w18_4xb32_in1k.py',
    'cspnet/cspresnet50_8xb32_in1k.py',
    'convnext/convnext-tiny_32xb128_in1k.py',
    'convnext_v2/convnext-v2-atto_32xb32_in1k.py',
    'edgenext/edgenext-xxsmall_8xb256_in1k.py',
    'hornet/hornet-tiny_8xb128_in1k.py',
    'van/van-tiny_8xb128_in1k.py',
    'mobilevit/mobilevit-xxsmall_8xb128_in1k.py',
    'vision_transformer/vit-base-p32_64xb64_in1k.py',
    'deit/deit-tiny_4xb256_in1k.py',
    'deit3/deit3-small-p16_64xb64_in1k.py',
    't2t_vit/t2t-vit-t-14_8xb64_in1k.py',
    'tnt/tnt-s-p16_16xb64_in1k.py',
    'xcit/xcit-nano-12-p16_8xb128_in1k.py',
    'swin_transformer/swin-tiny_16xb64_in1k.py',
    'swin_transformer_v2/swinv2-tiny-w8_16xb64_in1k-256px.py',
    'twins/twins-pcpvt-small_8xb128_in1k.py',
    'mvit/mvitv2-tiny_8xb256_in1k.py',
    'davit/davit-tiny_4xb256_in1k.py',
    'tinyvit/tinyvit-5m_8xb256_in1k.py',
    'revvit/revvit-small_8xb256_in1k.py',
    'mlp_mixer/mlp-mixer-base-p16_64xb64_in1k.py',
    'repmlp/repmlp-base_8xb64_in1k.py',
    'poolformer/poolformer-s12_32xb128_in1k.py',
    'riformer/riformer-s12_8xb128_in1k.py',
    'vig/vig-tiny_8xb128_in1k.py',
)


def converted(name: str) -> Config:
    """A config of the installed MMPretrain as RCL; mixup and cutmix are taken out."""
    cfg = Config.fromfile(osp.join(MMPRETRAIN_CONFIGS, name))
    # Weights that a config would download are not what is tried here.
    for part in (cfg.model, cfg.model.backbone):
        part.pop('init_cfg', None)
        part.pop('pretrained', None)
    return convert_config(cfg, drop_batch_augments=True).config


def batch_of_photographs(cfg: Config) -> dict:
    """scikit-learn's two photographs through the training pipeline of a config."""
    steps = [TRANSFORMS.build(step) for step in cfg.train_dataloader.dataset.pipeline]
    if type(steps[0]).__name__ == 'LoadImageFromFile':
        steps = steps[1:]
    pipeline = Compose(steps)
    samples = []
    for label, photograph in enumerate(load_sample_images().images):
        image = np.ascontiguousarray(photograph[..., ::-1])
        shape = image.shape[:2]
        samples.append(
            pipeline(
                dict(img=image, img_shape=shape, ori_shape=shape, gt_label=label, sample_idx=label)
            )
        )
    return default_collate(samples)


def step(name: str) -> Dict[str, object]:
    """Convert a config, build its model, make one step; what came out of it.

    Raises:
        AssertionError: If the views, the losses or a gradient are not as they should be.
    """
    start = time.time()
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    cfg = converted(name)
    preprocessor = dict(cfg.get('data_preprocessor') or {})
    model = MODELS.build({**cfg.model, 'data_preprocessor': preprocessor})
    model.init_weights()
    model.train()
    num_classes = cfg.model.head.num_classes
    model.head.loss_module.set_class_counts(np.linspace(1000, 5, num_classes).astype(int))
    data = model.data_preprocessor(batch_of_photographs(cfg), training=True)
    assert len(data['inputs']) == 3 * len(data['data_samples']) == 6
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and losses['loss_cls'] > 0 and losses['loss_con'] > 0
    for part, module in (('backbone', model.backbone), ('head', model.head)):
        norms = [p.grad.norm() for p in module.parameters() if p.grad is not None]
        assert norms and torch.isfinite(torch.stack(norms)).all(), f'{part}: no finite gradient'
        assert sum(norms) > 0, f'{part}: its gradient is zero'
    height, width = data['inputs'].shape[2:]
    return dict(
        config=name,
        family=name.partition('/')[0],
        backbone=cfg.model.backbone.type,
        old_head=Config.fromfile(osp.join(MMPRETRAIN_CONFIGS, name)).model.head.type,
        in_channels=model.head.in_channels,
        classes=num_classes,
        size=f'{width}x{height}',
        parameters=sum(p.numel() for p in model.parameters()),
        loss_cls=losses['loss_cls'].item(),
        loss_con=losses['loss_con'].item(),
        seconds=time.time() - start,
    )


def table(rows: List[dict]) -> str:
    """The rows as Markdown."""
    families = len({row['family'] for row in rows})
    lines = [
        '# MMPretrain configs as RCL',
        '',
        f'{len(rows)} configs of {families} model families of MMPretrain {mmpretrain.__version__}, '
        'converted with `tools/convert_config.py --drop-batch-augments` and trained for one step '
        'on two photographs at their own input size, three views each. Made by '
        '`python docs/examples/conversion_table.py`.',
        '',
    ]
    cells = [
        [
            *(row[name] for name in ('config', 'backbone', 'old_head', 'in_channels', 'classes')),
            row['size'],
            f'{row["parameters"] / 1e6:.1f}',
            f'{row["loss_cls"]:.3f}',
            f'{row["loss_con"]:.3f}',
        ]
        for row in rows
    ]
    lines.append(tabulate(cells, HEADER, 'pipe', disable_numparse=True))
    return '\n'.join(lines) + '\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(':')[0])
    parser.add_argument('configs', nargs='*', help='names in MMPretrain; Defaults to the list')
    parser.add_argument('-o', '--out', help='Markdown file to write')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')
    MMLogger.get_instance('mmengine').setLevel('WARNING')
    rows, failed = [], []
    for name in args.configs or CONFIGS:
        try:
            rows.append(step(name))
        except Exception as error:  # the table goes on; the exit code says it
            failed.append(name)
            print(f'FAILED {name}: {type(error).__name__}: {error}', flush=True)
        else:
            print(f'{name}: {rows[-1]["seconds"]:.1f} s', flush=True)
    print(f'{len(rows)} converted and stepped, {len(failed)} failed')
    if args.out and not failed:
        with open(args.out, 'w', encoding='utf-8') as file:
            file.write(table(rows))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
