"""Hook that refuses data sets, heads and checkpoints whose classes are not the same."""

from typing import Any, Optional, Sequence, Tuple

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.class_counts import dataset_labels
from rcl_mm.errors import InputError
from rcl_mm.text_files import printable


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Compares class names before training and before testing.

    A label is a number: if the validation folder lacks a class, all later classes have another
    number there, and the accuracies are wrong without a word. So the classes of training,
    validation and test set and of the tested checkpoint must be the same names in the same order,
    and the head must have one output for each. Where a set has no names its labels must be below
    the number of classes. Sets without one label per sample are not checked.

    Example:
        >>> custom_hooks = [dict(type='ClassNamesHook')]
    """

    def __init__(self) -> None:
        self._of_checkpoint: Optional[Tuple[str, ...]] = None

    def before_train(self, runner: Runner) -> None:
        """Compare training set, head and validation set.

        Raises:
            InputError: If their classes differ, with the first difference.
        """
        dataset = runner.train_dataloader.dataset
        classes = class_names_of(dataset)
        outputs = _outputs(runner.model)
        if classes and outputs and len(classes) != outputs and _single_label(dataset):
            raise InputError(
                f'model.head.num_classes is {outputs}, but the training set has {len(classes)} '
                f'classes: set model.head.num_classes={len(classes)}'
            )
        loop = runner.val_loop
        if loop is not None:
            size = len(classes) if classes else outputs
            _check(loop.dataloader.dataset, 'validation set', classes, 'training set', size)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the classes of the training that made a checkpoint."""
        meta = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        self._of_checkpoint = _as_names(meta.get('classes'))

    def before_test(self, runner: Runner) -> None:
        """Compare test set, checkpoint and head.

        Raises:
            InputError: If their classes differ, with the first difference.
        """
        dataset = runner.test_loop.dataloader.dataset
        outputs = _outputs(runner.model)
        _check(dataset, 'test set', self._of_checkpoint, 'training of the checkpoint', outputs)


def class_names_of(dataset: Any) -> Optional[Tuple[str, ...]]:
    """Class names in the meta information of a data set, None if it has none."""
    return _as_names((getattr(dataset, 'metainfo', None) or {}).get('classes'))


def _as_names(classes: Optional[Sequence]) -> Optional[Tuple[str, ...]]:
    return tuple(map(printable, classes)) if isinstance(classes, (list, tuple)) else None


def difference(
    names: Sequence[str], known: Sequence[str], name: str = 'set', of: str = 'training set'
) -> Optional[str]:
    """How class names differ from those of training, in one sentence; None if they do not."""
    if list(names) == list(known):
        return None
    missing = [one for one in known if one not in names]
    extra = [one for one in names if one not in known]
    parts = [f'the {name} has {len(names)} classes, the {of} {len(known)}']
    if missing:
        parts.append(f'"{missing[0]}" is missing ({len(missing)} such)')
    if extra:
        parts.append(f'"{extra[0]}" is not one of training ({len(extra)} such)')
    if not missing and not extra:
        index = next((i for i, (a, b) in enumerate(zip(names, known)) if a != b), len(known))
        parts.append(f'they are in another order from class {index} on ("{names[index]}")')
    return ', '.join(parts)


def _check(
    dataset: Any,
    name: str,
    known: Optional[Sequence[str]],
    of: str,
    size: Optional[int],
) -> None:
    names = class_names_of(dataset)
    if names and known:
        found = difference(names, known, name, of)
        if found is not None:
            raise InputError(
                f'{found}: give both the same classes in the same order (an empty folder for a '
                'class without images, or metainfo=dict(classes=[...]))'
            )
        size = len(known)
    if size is None or not _single_label(dataset):
        return
    labels = dataset_labels(dataset)
    if labels.size and labels.max() >= size:
        raise InputError(
            f'the {name} has label {labels.max()}, allowed is 0..{size - 1}, the classes of the '
            'model: give it the classes of the training set'
        )


def _single_label(dataset: Any) -> bool:
    try:
        return dataset_labels(dataset).size > 0
    except (KeyError, TypeError, ValueError):
        return False


def _outputs(model: Any) -> Optional[int]:
    """Number of classes of the head, None if it does not say it."""
    model = model.module if is_model_wrapper(model) else model
    # A wrapper for augmentation at test time holds the model in the same way.
    model = getattr(model, 'module', model)
    outputs = getattr(getattr(model, 'head', None), 'num_classes', None)
    return outputs if isinstance(outputs, int) else None
