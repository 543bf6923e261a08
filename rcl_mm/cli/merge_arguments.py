"""Writing the arguments of ``tools/train.py`` and ``tools/test.py`` into the config."""

import argparse

from mmengine.config import Config, ConfigDict

from rcl_mm.class_counts import inner_datasets
from rcl_mm.errors import UsageError
from rcl_mm.runtime.config_types import is_type
from rcl_mm.runtime.configs import check_checkpoint


def merge_train_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the arguments of ``tools/train.py`` into the config, in place."""
    if cfg.get('train_dataloader') is None or cfg.get('train_cfg') is None:
        raise UsageError(
            f'{args.config} has no train_dataloader or train_cfg: it is not a config for training'
        )
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        if cfg.get('optim_wrapper') is None:
            raise UsageError(f'--amp needs optim_wrapper = dict(...) in {args.config}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.resume == 'auto':
        cfg.resume, cfg.load_from = True, None
    elif args.resume is not None:
        if '://' not in args.resume:
            check_checkpoint(
                args.resume, 'a path, or --resume alone for the newest one in the work dir'
            )
        cfg.resume, cfg.load_from = True, args.resume
    if args.auto_scale_lr:
        if cfg.get('auto_scale_lr') is None:
            raise UsageError(
                f'--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in {args.config}'
            )
        cfg.auto_scale_lr.enable = True
    if args.seed is not None:
        cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': args.seed}
    if args.tensorboard:
        visualizer = cfg.get('visualizer') or dict(type='mmpretrain.UniversalVisualizer')
        backends = visualizer.setdefault('vis_backends', [dict(type='LocalVisBackend')])
        if not any(is_type(backend, 'TensorboardVisBackend') for backend in backends):
            backends.append(dict(type='TensorboardVisBackend'))
        cfg.visualizer = visualizer


def merge_test_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the arguments of ``tools/test.py`` into the config, in place."""
    for name in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        if cfg.get(name) is None:
            raise UsageError(f'{args.config} has no {name}: add it, there is nothing to test')
    if '://' not in args.checkpoint:
        check_checkpoint(args.checkpoint, 'a path or a URL')
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        if 'visualization' not in (cfg.get('default_hooks') or {}):
            raise UsageError(
                '--show and --show-dir need default_hooks = dict(visualization=dict(type='
                f'"VisualizationHook")) in {args.config}'
            )
        cfg.default_hooks.visualization.update(
            enable=True,
            show=args.show,
            wait_time=args.wait_time,
            out_dir=args.show_dir,
            interval=args.interval,
        )


def use_test_time_augmentation(cfg: Config) -> None:
    """Average the scores of an image and its mirror image, or of ``tta_pipeline``, in place.

    It comes last: the model of a finished config goes inside another one.
    """
    tta_model = cfg.get('tta_model') or dict(type='mmpretrain.AverageClsScoreTTA')
    for dataset in inner_datasets(cfg.test_dataloader):
        pipeline = dataset.get('pipeline')
        if pipeline:
            flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
            tta = dict(type='TestTimeAug', transforms=[flips, [pipeline[-1]]])
            dataset['pipeline'] = cfg.get('tta_pipeline') or [*pipeline[:-1], tta]
    cfg.model = ConfigDict(**tta_model, module=cfg.model)
