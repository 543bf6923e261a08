"""Hooks, loops and wrappers of MMEngine's runner."""

from rcl_mm.engine.hooks import (
    AtomicCheckpointHook,
    ChannelsLastHook,
    CheckpointCheckHook,
    ClassCountsHook,
    CompileHook,
    DeferredReweightingHook,
    FeatureCollectorHook,
    FiniteLossHook,
    ImageCheckHook,
    ResumeStateHook,
    StopSignalHook,
)
from rcl_mm.engine.loops import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop
from rcl_mm.engine.optim_wrapper import CPUAmpOptimWrapper
from rcl_mm.engine.sharding import ResumableFSDPStrategy, wrap_blocks

__all__ = [
    'AtomicCheckpointHook',
    'CPUAmpOptimWrapper',
    'ChannelsLastHook',
    'CheckpointCheckHook',
    'ClassCountsHook',
    'CompileHook',
    'DeferredReweightingHook',
    'FeatureCollectorHook',
    'FiniteLossHook',
    'ImageCheckHook',
    'ResumableEpochBasedTrainLoop',
    'ResumableFSDPStrategy',
    'ResumableIterBasedTrainLoop',
    'ResumeStateHook',
    'StopSignalHook',
    'wrap_blocks',
]
