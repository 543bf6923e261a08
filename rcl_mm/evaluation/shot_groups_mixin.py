"""What all metrics with many / medium / few-shot groups share."""

import logging
from typing import Optional, Sequence

import numpy as np
from mmengine.logging import print_log

from rcl_mm.class_counts import CountsSource, check_class_counts, read_class_counts
from rcl_mm.errors import InputError


class ShotGroupsMixin:
    """Class counts and thresholds of a metric, and warnings that are said once.

    ClassCountsHook recognises :meth:`set_class_counts`. A metric works without counts too, with
    fewer figures, so the hook may leave them unknown.
    """

    def _set_groups(self, class_counts: Optional[CountsSource], many: int, few: int) -> None:
        if few > many:
            raise InputError(f'few={few} is above many={many}: give few <= many')
        self.many = many
        self.few = few
        self.takes_counts = isinstance(class_counts, str) and class_counts == 'auto'
        self.class_counts: Optional[np.ndarray] = None
        if class_counts is not None and not self.takes_counts:
            self.class_counts = read_class_counts(class_counts)
        self._said: set = set()

    @property
    def class_counts_known(self) -> bool:
        """Whether the many / medium / few groups are known."""
        return self.class_counts is not None

    def set_class_counts(self, counts: Sequence[int]) -> None:
        """Take the training set's counts, shape (C, ), unless counts were given in the config."""
        if self.takes_counts:
            self.class_counts = check_class_counts(counts)

    def _check_counts_fit(self, num_classes: int) -> None:
        if self.class_counts is not None and len(self.class_counts) != num_classes:
            raise InputError(
                f'class_counts has {len(self.class_counts)} entries, but the model scores '
                f'{num_classes} classes: give one count per class'
            )

    def _say(self, what: str, message: str) -> None:
        """Log a warning once in the life of the metric, not at every validation."""
        if what not in self._said:
            self._said.add(what)
            print_log(f'{type(self).__name__}: {message}', logger='current', level=logging.WARNING)
