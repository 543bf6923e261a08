"""One hook a file."""

from rcl_mm.engine.hooks.channels_last import ChannelsLastHook
from rcl_mm.engine.hooks.checkpoint import AtomicCheckpointHook
from rcl_mm.engine.hooks.checkpoint_check import CheckpointCheckHook
from rcl_mm.engine.hooks.class_counts import ClassCountsHook
from rcl_mm.engine.hooks.class_names import ClassNamesHook
from rcl_mm.engine.hooks.compile import CompileHook
from rcl_mm.engine.hooks.deferred_reweighting import (
    DeferredReweightingHook,
    effective_number_weights,
)
from rcl_mm.engine.hooks.features import FeatureCollectorHook
from rcl_mm.engine.hooks.finite_loss import FiniteLossHook, NonFiniteError
from rcl_mm.engine.hooks.image_check import ImageCheckHook
from rcl_mm.engine.hooks.resume import ResumeStateHook
from rcl_mm.engine.hooks.stop_signal import EXIT_STOPPED, StopSignalHook, TrainingStopped

__all__ = [
    'EXIT_STOPPED',
    'AtomicCheckpointHook',
    'ChannelsLastHook',
    'CheckpointCheckHook',
    'ClassCountsHook',
    'ClassNamesHook',
    'CompileHook',
    'DeferredReweightingHook',
    'FeatureCollectorHook',
    'FiniteLossHook',
    'ImageCheckHook',
    'NonFiniteError',
    'ResumeStateHook',
    'StopSignalHook',
    'TrainingStopped',
    'effective_number_weights',
]
