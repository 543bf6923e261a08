"""Taking another sample when the pipeline gives None, reproducibly."""

from typing import Any, Callable

import numpy as np

from rcl_mm.augment.draws import DrawIndex, keep_draw, uniforms

# Images' views count from 0: the numbers of this one are used by none.
_REFETCH_VIEW = -1


def prepare_or_another(
    prepare: Callable[[int], Any], idx: int, size: int, test_mode: bool, max_refetch: int
) -> Any:
    """``prepare(idx)``, or that of another sample if it is None.

    MMEngine's rule for training ("None: take another"), with two differences: the other sample
    follows from the draw of ``idx`` (if it has one) instead of from the worker's random state, and
    it is one of the ``size`` samples of the asking data set.

    Args:
        prepare (Callable): Gives a sample, or None if it can't be used.
        idx (int): The sample asked for.
        size (int): Number of samples to choose from.
        test_mode (bool): In test mode None is an error: results would belong to another image.
        max_refetch (int): Largest number of other samples tried.

    Raises:
        RuntimeError: In test mode, or if no sample tried was usable.
    """
    data = prepare(idx)
    if data is not None:
        return data
    if test_mode:
        raise RuntimeError(
            f'the pipeline gave None for sample {idx}, which testing can not leave out'
        )
    for attempt in range(max_refetch):
        if isinstance(idx, DrawIndex):
            share = uniforms(idx.draw, _REFETCH_VIEW, attempt + 1)[0, attempt]
            other = keep_draw(idx, share * size)
        else:
            other = np.random.randint(size)
        data = prepare(other)
        if data is not None:
            return data
    raise RuntimeError(
        f'none of {max_refetch + 1} samples was usable: check the image paths and the pipeline'
    )
