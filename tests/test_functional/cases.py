"""Batches and the rows of the ablation table that the tests of the loss share."""

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

COUNTS = torch.tensor([900, 300, 100, 30, 10, 3])
NUM_CLASSES = len(COUNTS)

# METHOD.md "Ablation switches": settings of the loss, and whether there are prototypes.
ABLATION = {
    'supcon': (dict(prior_power=0.0, class_averaging=False), False),
    'supcon_class_averaging': (dict(prior_power=0.0, class_averaging=True), False),
    'bcl': (dict(prior_power=0.0, class_averaging=True), True),
    'bcl_rebalanced': (dict(prior_power=1.0, class_averaging=True), True),
    'rcl': (dict(prior_power=1.0, class_averaging=True, feature_scale=1.6), True),
    # Another reading of "scaled features": not the prototypes.
    'rcl_scaled_embeddings': (dict(feature_scale=1.6, prototype_scale=1.0, prior_power=1.0), True),
    # Standalone: prototypes are free parameters and the only trained classifier.
    'rcl_standalone': (dict(prior_power=1.0, class_averaging=True, feature_scale=0.7), True),
}


def make_batch(
    images: int = 7,
    views: int = 2,
    dimension: int = 8,
    num_classes: int = NUM_CLASSES,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    prototypes: bool = True,
) -> Tuple[Tensor, Tensor, Optional[Tensor]]:
    """Embeddings (V * N, D) and prototypes (C, D), unit-norm leaves; labels view-major."""
    generator = torch.Generator().manual_seed(seed)

    def unit(rows):
        rows = torch.randn(rows, dimension, generator=generator, dtype=torch.float64)
        return F.normalize(rows, dim=1).to(dtype).requires_grad_()

    labels = torch.randint(num_classes, (images,), generator=generator).repeat(views)
    return unit(views * images), labels, unit(num_classes) if prototypes else None


def counts_for(settings: dict, counts: Tensor = COUNTS) -> Optional[Tensor]:
    """The class counts, or None where the row of the table does without them."""
    return counts if settings.get('prior_power', 1.0) else None
