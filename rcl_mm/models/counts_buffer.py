"""Class counts as a buffer of a loss: from the config, the training set or a checkpoint."""

from typing import Optional, Union

import torch
from torch import nn

from rcl_mm.class_counts import (
    WAYS_TO_GIVE_COUNTS,
    CountsSource,
    check_class_counts,
    read_class_counts,
)
from rcl_mm.errors import InputError
from rcl_mm.runtime.running_counts import class_counts_of_run


class ClassCountsModule(nn.Module):
    """Base of modules that need the number of training images of each class.

    Args:
        class_counts (Sequence[int] | str): The counts, the path of a JSON or list file, or 'auto':
            :class:`ClassCountsHook` reads them from the training set. Defaults to 'auto'.
        num_classes (int, optional): Number of classes C, if known. Defaults to None.

    The buffer ``class_counts`` (C, ) int64 is saved with the model, so testing needs no training
    set. While unknown it is all zeros. A checkpoint fills in what is unknown: counts of the config
    stay, and a training run's own take the place of a checkpoint's.
    """

    def __init__(
        self,
        class_counts: Union[str, CountsSource] = 'auto',
        num_classes: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.class_counts_source = class_counts
        self.class_counts_known = False
        self._from_checkpoint = False
        self.num_classes = num_classes
        self.register_buffer('class_counts', torch.zeros(num_classes or 0, dtype=torch.int64))
        if not self.counts_are_automatic:
            self._fill(read_class_counts(class_counts, num_classes))

    @property
    def counts_are_automatic(self) -> bool:
        """Whether the counts come from the training set rather than from the config."""
        return isinstance(self.class_counts_source, str) and self.class_counts_source == 'auto'

    def set_class_counts(self, counts: CountsSource) -> None:
        """Take the counts of the training set; counts that the config gave stay.

        Raises:
            InputError: If they are no counts, or not one for each class.
        """
        if self.counts_are_automatic:
            self._fill(check_class_counts(counts, self.num_classes))

    def expect_classes(self, num_classes: int) -> None:
        """Take the number of classes of the head that owns this module, if the config gave none.

        Raises:
            InputError: If there are counts already, and not so many.
        """
        if self.num_classes is None:
            if self.class_counts_known:
                check_class_counts(self.class_counts.tolist(), num_classes)
            else:
                self.class_counts = self.class_counts.new_zeros(num_classes)
            self.num_classes = num_classes

    def known_class_counts(self) -> torch.Tensor:
        """The counts, shape (C, ).

        Raises:
            InputError: If they are not known yet; the message names the ways to give them.
        """
        if not self.class_counts_known or self._from_checkpoint:
            self._ask_the_run()
        if not self.class_counts_known:
            raise InputError(
                f'{type(self).__name__} does not know the class counts yet: {WAYS_TO_GIVE_COUNTS}'
            )
        return self.class_counts

    def _ask_the_run(self) -> None:
        """In another library's training script there may be no hook: look at the run itself."""
        self._from_checkpoint = False
        counts = class_counts_of_run(self.num_classes)
        if counts is not None:
            self.set_class_counts(counts)

    def _fill(self, counts) -> None:
        values = torch.as_tensor(counts, dtype=torch.int64)
        if len(self.class_counts) == len(values):
            self.class_counts.copy_(values)
        else:
            self.class_counts = values.to(self.class_counts.device)
        self.class_counts_known = True
        self._from_checkpoint = False

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        stored = state_dict.get(f'{prefix}class_counts')
        if stored is not None and len(self.class_counts) == 0:
            self.class_counts = torch.zeros_like(stored, device=self.class_counts.device)
        own = self.class_counts.clone()
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if stored is None or stored.shape != own.shape:
            return
        if self.class_counts_known and not (self.counts_are_automatic and stored.any()):
            self.class_counts.copy_(own)
        elif stored.any():
            self.class_counts_known = self._from_checkpoint = True
