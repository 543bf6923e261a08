"""Runs of the real Digits-LT configs, cut to a few iterations."""

from small_runs import own_environment, tool, write_config  # noqa: F401
