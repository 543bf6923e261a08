"""The contrastive loss and its gradients as one CUDA graph."""

import warnings
from collections import Counter
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from rcl_mm.functional import rebalanced_contrastive_loss

# A shape of batch is recorded when it comes for this time: the last batch of one epoch is not.
FIRST_RECORDED_CALL = 3
# Each holds copies of its inputs and gradients, and a matrix.
MAX_RECORDINGS = 4
WARM_UP_RUNS = 3

Inputs = Tuple[Tensor, Tensor, Optional[Tensor], Optional[Tensor]]


def record(run: Callable[[], Sequence[Tensor]]) -> Tuple[Sequence[Tensor], Callable[[], None]]:
    """Outputs of ``run`` in memory of their own, and what runs it again into the same memory."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_RUNS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # The loader's thread goes on pinning memory, which the default mode forbids.
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        outputs = run()
    return outputs, graph.replay


class Recording:
    """One shape of batch, recorded: :meth:`replay` puts a batch's loss and gradients into memory.

    Args:
        inputs (tuple): Embeddings, labels, prototypes and class counts of a batch.
        options (dict): Of :func:`rcl_mm.functional.rebalanced_contrastive_loss`.
    """

    def __init__(self, inputs: Inputs, options: Dict[str, Any]) -> None:
        self.inputs = [
            None if x is None else x.detach().clone().requires_grad_(x.requires_grad)
            for x in inputs
        ]
        self.wanted = [i for i, x in enumerate(self.inputs) if x is not None and x.requires_grad]
        self.options = options
        self.number = 0
        (self.loss, *self.gradients), self._run_again = record(lambda: self.run(self.inputs))

    def run(self, inputs: Inputs) -> Sequence[Tensor]:
        """Loss and gradients by the plain operations."""
        with torch.enable_grad():
            loss = rebalanced_contrastive_loss(*inputs, **self.options)
            gradients = torch.autograd.grad(loss, [inputs[i] for i in self.wanted])
        return (loss.detach(), *gradients)

    @torch.no_grad()
    def replay(self, inputs: Inputs) -> int:
        """Compute loss and gradients of these inputs; returns the number of this replay."""
        pairs = [(to, x) for to, x in zip(self.inputs, inputs) if to is not None]
        torch._foreach_copy_(*(list(tensors) for tensors in zip(*pairs)))
        self._run_again()
        self.number += 1
        return self.number

    def agrees(self, inputs: Inputs) -> bool:
        """Whether a replay gives what the plain operations give."""
        leaves = [None if x is None else x.detach().requires_grad_(x.requires_grad) for x in inputs]
        expected = self.run(leaves)
        self.replay(inputs)
        return all(
            torch.allclose(result, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
            for result, wanted in zip((self.loss, *self.gradients), expected)
        )


class _Replay(torch.autograd.Function):
    """A replay; the gradients are in the recording until the next one."""

    @staticmethod
    def forward(ctx, recording: Recording, *inputs: Optional[Tensor]) -> Tensor:
        ctx.recording, ctx.number = recording, recording.replay(inputs)
        ctx.save_for_backward(*inputs)
        # The next replay writes over it, and the log may not have read it by then.
        return recording.loss.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        recording = ctx.recording
        if recording.number != ctx.number:
            ctx.number = recording.replay(ctx.saved_tensors)
        results = [None] * (1 + len(recording.inputs))
        for position, gradient in zip(recording.wanted, recording.gradients):
            results[1 + position] = gradient * grad
        return tuple(results)


class GraphedContrast:
    """:func:`rcl_mm.functional.rebalanced_contrastive_loss` for a GPU that waits for its host.

    Each shape of batch is recorded at its third call, with its gradients, and checked against the
    plain operations; from then on a call copies its inputs and starts one CUDA graph. Where
    recording fails, a warning says so, and the plain operations go on. They also run without
    gradients, for ``reduction='none'`` and for embeddings gathered from several ranks.
    """

    def __init__(self) -> None:
        self._calls: Counter = Counter()
        self._recordings: Dict[tuple, Optional[Recording]] = {}

    def __reduce__(self):
        # A copy, by pickle or deepcopy, records anew.
        return GraphedContrast, ()

    def __call__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Optional[Tensor] = None,
        class_counts: Optional[Tensor] = None,
        **options: Any,
    ) -> Tensor:
        """See :func:`rcl_mm.functional.rebalanced_contrastive_loss`."""
        inputs = (embeddings, labels, prototypes, class_counts)
        recording = self._recording(inputs, options) if _can_be_graphed(inputs, options) else None
        if recording is None:
            return rebalanced_contrastive_loss(*inputs, **options)
        return _Replay.apply(recording, *inputs)

    def _recording(self, inputs: Inputs, options: Dict[str, Any]) -> Optional[Recording]:
        """The recording of this shape of batch, made if it is time; None where there is none."""
        shapes = [None if x is None else (x.shape, x.dtype, x.requires_grad) for x in inputs]
        key = (inputs[0].device, *shapes, *sorted(options.items()))
        if key in self._recordings:
            return self._recordings[key]
        self._calls[key] += 1
        if self._calls[key] < FIRST_RECORDED_CALL or len(self._recordings) == MAX_RECORDINGS:
            return None
        reason = 'a replay differs from the plain operations'
        try:
            recording = Recording(inputs, options)
            if not recording.agrees(inputs):
                recording = None
        except RuntimeError as error:
            recording, reason = None, str(error).strip().splitlines()[0]
        if recording is None:
            warnings.warn(
                f'the contrastive loss goes on without a CUDA graph ({reason}): the same values, '
                'slower',
                RuntimeWarning,
                stacklevel=3,
            )
        self._recordings[key] = recording
        return recording


def _can_be_graphed(inputs: Inputs, options: Dict[str, Any]) -> bool:
    embeddings, _, prototypes, _ = inputs
    if not all(x is None or _on_current_gpu(x) for x in inputs) or not torch.is_grad_enabled():
        return False
    if not any(x is not None and x.requires_grad for x in (embeddings, prototypes)):
        return False
    if options.get('reduction') == 'none' or (options.get('gather') and get_world_size() > 1):
        return False
    return not torch.cuda.is_current_stream_capturing()


def _on_current_gpu(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_cuda and x.device.index == torch.cuda.current_device()
