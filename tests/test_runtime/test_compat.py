"""Every mend for today's stack: there where it is needed, and only there."""

import datetime
import importlib.util
import inspect
import logging
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import LoggerHook

from rcl_mm.runtime import compat

# As MMEngine has it, whatever has been mended before in this process.
AFTER_TEST_EPOCH = inspect.unwrap(LoggerHook.after_test_epoch)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(compat, 'get_device', lambda: 'cpu')


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(compat, 'get_device', lambda: 'cuda')


def make_config(**settings):
    return Config(
        dict(
            launcher='pytorch',
            model=dict(
                backbone=dict(norm_cfg=dict(type='SyncBN', requires_grad=True)),
                head=dict(layers=[dict(norm_cfg=dict(type='SyncBN'))]),
            ),
            optim_wrapper=dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer={}),
            train_dataloader=dict(pin_memory=True),
            val_dataloader=None,
            **settings,
        )
    )


class TestAdaptToCpu:
    def test_with_a_gpu__nothing_changes(self, gpu):
        cfg = make_config()
        before = cfg.pretty_text
        assert compat.adapt_to_cpu(cfg) == []
        assert cfg.pretty_text == before

    def test_float16_amp__becomes_float32_with_a_note(self, no_gpu):
        cfg = make_config()
        assert any('float32' in note for note in compat.adapt_to_cpu(cfg))
        assert cfg.optim_wrapper == dict(type='OptimWrapper', optimizer={})

    def test_bfloat16_amp__stays_mixed(self, no_gpu):
        cfg = make_config()
        cfg.optim_wrapper.dtype = 'bfloat16'
        assert any('bfloat16' in note for note in compat.adapt_to_cpu(cfg))
        expected = dict(type='CPUAmpOptimWrapper', dtype='bfloat16', optimizer={})
        assert cfg.optim_wrapper == expected

    def test_ddp__gets_no_device_ids(self, no_gpu):
        cfg = make_config(find_unused_parameters=True)
        compat.adapt_to_cpu(cfg)
        assert cfg.model_wrapper_cfg == dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=True,
            device_ids=None,
        )

    def test_own_ddp_settings__are_kept(self, no_gpu):
        cfg = make_config(model_wrapper_cfg=dict(type='Mine', static_graph=True))
        compat.adapt_to_cpu(cfg)
        assert cfg.model_wrapper_cfg.type == 'Mine'
        assert cfg.model_wrapper_cfg.static_graph
        assert cfg.model_wrapper_cfg.device_ids is None

    def test_sync_bn__becomes_bn_at_any_depth(self, no_gpu):
        cfg = make_config(sync_bn='torch')
        assert any('SyncBN is BN' in note for note in compat.adapt_to_cpu(cfg))
        assert cfg.model.backbone.norm_cfg == dict(type='BN', requires_grad=True)
        assert cfg.model.head.layers[0].norm_cfg.type == 'BN'
        assert cfg.sync_bn is None

    def test_one_process__keeps_sync_bn_which_mmengine_reverts(self, no_gpu):
        cfg = make_config()
        cfg.launcher = 'none'
        compat.adapt_to_cpu(cfg)
        assert cfg.model.backbone.norm_cfg.type == 'SyncBN'
        assert cfg.get('model_wrapper_cfg') is None

    def test_pinned_memory__is_off(self, no_gpu):
        cfg = make_config()
        compat.adapt_to_cpu(cfg)
        assert cfg.train_dataloader.pin_memory is False

    def test_without_the_mend__torch_refuses_device_ids_on_a_cpu(self, monkeypatch, tmp_path):
        """What MMEngine does by itself: the reason for the mend."""
        torch.distributed.init_process_group(
            'gloo', init_method=f'file://{tmp_path}/rendezvous', rank=0, world_size=1
        )
        try:
            with pytest.raises(ValueError, match='device'):
                torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1), device_ids=[0])
        finally:
            torch.distributed.destroy_process_group()


class TestInitCpuProcessGroup:
    @pytest.fixture
    def calls(self, monkeypatch):
        made = []
        monkeypatch.setattr(
            torch.distributed,
            'init_process_group',
            lambda backend, timeout: made.append((backend, timeout)),
        )
        for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'LOCAL_RANK'):
            monkeypatch.delenv(name, raising=False)
        return made

    def test_pytorch__uses_gloo_and_the_timeout_of_the_config(self, no_gpu, calls, monkeypatch):
        for name, value in dict(RANK='0', WORLD_SIZE='2', MASTER_ADDR='localhost').items():
            monkeypatch.setenv(name, value)
        cfg = make_config(env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=7)))
        assert compat.init_cpu_process_group(cfg)
        assert calls == [('gloo', datetime.timedelta(seconds=7))]

    def test_with_a_gpu__is_left_to_mmengine(self, gpu, calls):
        assert not compat.init_cpu_process_group(make_config())
        assert calls == []

    def test_one_process__makes_no_group(self, no_gpu, calls):
        cfg = make_config()
        cfg.launcher = 'none'
        assert not compat.init_cpu_process_group(cfg)

    def test_outside_a_launcher__says_what_to_use(self, no_gpu, calls):
        with pytest.raises(ValueError, match='RANK, WORLD_SIZE, MASTER_ADDR .*dist_train.sh'):
            compat.init_cpu_process_group(make_config())

    @pytest.mark.parametrize(
        'launcher, names',
        [('slurm', 'SLURM_NODELIST, SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')],
    )
    def test_outside_slurm_and_mpi__says_what_is_missing(self, launcher, names, no_gpu, calls):
        cfg = make_config()
        cfg.launcher = launcher
        with pytest.raises(ValueError, match=f'--launcher {launcher} needs {names}'):
            compat.init_cpu_process_group(cfg)

    def test_slurm__reads_rank_size_and_first_node(self, no_gpu, calls, monkeypatch, tmp_path):
        scontrol = tmp_path / 'scontrol'
        scontrol.write_text('#!/bin/sh\necho node7\necho node8\n')
        scontrol.chmod(0o755)
        monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
        for name, value in dict(
            SLURM_PROCID='3', SLURM_NTASKS='4', SLURM_NODELIST='node[7-8]', SLURM_LOCALID='1'
        ).items():
            monkeypatch.setenv(name, value)
        cfg = make_config()
        cfg.launcher = 'slurm'
        assert compat.init_cpu_process_group(cfg)
        import os

        names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
        assert [os.environ[name] for name in names] == ['3', '4', '1', 'node7', '29500']


class TestPackages:
    @pytest.fixture
    def no_pkg_resources(self, monkeypatch):
        """As with setuptools 82 and newer, whatever is installed here."""
        found = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util,
            'find_spec',
            lambda name, *a: None if name == 'pkg_resources' else found(name, *a),
        )
        monkeypatch.setitem(sys.modules, 'pkg_resources', None)

    def test_base_of_another_package__needs_the_mend(self, no_pkg_resources, tmp_path, monkeypatch):
        import mmengine.config.config
        import mmengine.utils.package_utils as original

        for name in ('is_installed', 'get_installed_path'):
            monkeypatch.setattr(mmengine.config.config, name, getattr(original, name))
        path = tmp_path / 'config.py'
        path.write_text("_base_ = 'mmpretrain::_base_/schedules/imagenet_bs256.py'\n")
        with pytest.raises(ImportError, match='pkg_resources'):
            Config.fromfile(path)
        assert compat.mend_missing_pkg_resources()
        assert Config.fromfile(path).train_cfg.max_epochs == 100

    def test_pkg_resources_there__nothing_is_changed(self, monkeypatch):
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: SimpleNamespace())
        assert not compat.mend_missing_pkg_resources()

    def test_get_installed_path__distribution_and_module_names(self):
        assert compat.get_installed_path('mmcv-lite').endswith('mmcv')
        assert compat.get_installed_path('mmpretrain').endswith('mmpretrain')
        assert compat.get_installed_path('rcl_mm').endswith('rcl_mm')

    def test_is_installed(self):
        assert compat.is_installed('mmcv-lite')
        assert compat.is_installed('json')
        assert not compat.is_installed('no_such_package')

    def test_get_installed_path__unknown_package(self):
        with pytest.raises(ModuleNotFoundError, match='no_such_package'):
            compat.get_installed_path('no_such_package')


class TestMetricsFile:
    """The file of a test's metrics, which MMEngine writes on every rank to the same path."""

    @pytest.fixture
    def run(self, monkeypatch, tmp_path):
        """What the hook reads of a runner after a test."""
        monkeypatch.setattr(LoggerHook, 'after_test_epoch', AFTER_TEST_EPOCH)
        processor = SimpleNamespace(get_log_after_epoch=lambda *args, **kwargs: ({'top1': 5.0}, ''))
        return SimpleNamespace(
            log_processor=processor,
            test_dataloader=[None],
            logger=logging.getLogger('test'),
            log_dir=str(tmp_path),
        )

    def write(self, run, path, main_process, monkeypatch):
        monkeypatch.setattr('mmengine.dist.utils.is_main_process', lambda: main_process)
        hook = LoggerHook()
        hook.json_log_path = path.name
        hook.after_test_epoch(run)
        return path.is_file()

    def test_mmengine_writes_it_on_every_rank(self, run, tmp_path, monkeypatch):
        assert self.write(run, tmp_path / 'metrics.json', False, monkeypatch)

    @pytest.mark.parametrize('main_process', [True, False])
    def test_rank_0_alone_writes_it(self, main_process, run, tmp_path, monkeypatch):
        assert compat.mend_metrics_file_of_every_rank()
        written = self.write(run, tmp_path / 'metrics.json', main_process, monkeypatch)
        assert written == main_process

    def test_once(self, run):
        assert compat.mend_metrics_file_of_every_rank()
        assert not compat.mend_metrics_file_of_every_rank()


class TestWarnings:
    def test_needless_ones_are_silent__others_are_not(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            compat.filter_needless_warnings()
            for message, category in [
                ('`broadcast_buffers` is deprecated. Use ...', FutureWarning),
                ('`torch.cuda.amp.GradScaler(args...)` is deprecated.', FutureWarning),
                ('Setting OMP_NUM_THREADS environment variable for each process', UserWarning),
                ('something to act on', UserWarning),
            ]:
                warnings.warn(message, category, stacklevel=1)
        assert [str(one.message) for one in seen] == ['something to act on']

    def test_log_lines(self):
        logger = logging.Logger('test')
        records = []
        handler = logging.Handler()
        handler.emit = records.append
        logger.addHandler(handler)
        compat.filter_needless_log_lines(logger)
        logger.warning('"FileClient" will be deprecated in future.')
        logger.warning('"HardDiskBackend" is the alias of "LocalBackend"')
        logger.warning('checkpoint is corrupt')
        assert [record.getMessage() for record in records] == ['checkpoint is corrupt']
