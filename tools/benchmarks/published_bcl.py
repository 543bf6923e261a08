"""BCL's loss as its authors published it, step for step, as the thing to be compared with.

After the description in Zhu et al., CVPR 2022, and the behaviour of the public code
(github.com/FlamieZhu/Balanced-Contrastive-Learning): class counts of the batch through an identity
matrix of C x C, a Python loop over the label of every key, and full (anchors x keys) tensors for
each intermediate, which autograd keeps.
"""

import torch
from torch import Tensor, nn


class PublishedBCLLoss(nn.Module):
    """Balanced contrastive loss with class averaging and class complement.

    Args:
        num_classes (int): C.
        temperature (float): Defaults to 0.1.
        count_device (str): Where the labels are counted. As published, labels on the GPU index an
            identity matrix on the CPU, which today's PyTorch refuses: 'same' moves the matrix to
            the labels (the shortest mend), 'cpu' the labels to the matrix. Defaults to 'same'.
    """

    def __init__(self, num_classes: int, temperature: float = 0.1, count_device: str = 'same'):
        super().__init__()
        self.num_classes, self.temperature = num_classes, temperature
        self.count_device = count_device

    def forward(self, prototypes: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Loss of ``features`` (N, 2, D) with ``labels`` (N, ) and ``prototypes`` (C, D)."""
        device, anchors = features.device, 2 * len(features)
        labels = labels.view(-1, 1).repeat(2, 1)
        labels = torch.cat([labels, torch.arange(self.num_classes, device=device).view(-1, 1)])
        counted = labels if self.count_device == 'same' else labels.to(self.count_device)
        identity = torch.eye(self.num_classes, device=counted.device)
        keys_per_class = identity[counted].sum(dim=0).squeeze()

        same_class = torch.eq(labels[:anchors], labels.T).float()
        not_itself = torch.scatter(
            torch.ones_like(same_class), 1, torch.arange(anchors, device=device).view(-1, 1), 0
        )
        same_class = same_class * not_itself
        keys = torch.cat([torch.cat(features.unbind(dim=1)), prototypes])
        logits = keys[:anchors].mm(keys.T) / self.temperature
        logits = logits - logits.max(dim=1, keepdim=True).values.detach()

        exponential = torch.exp(logits) * not_itself
        weights = torch.tensor([keys_per_class[label] for label in counted], device=device)
        weights = weights.view(1, -1).expand(anchors, anchors + self.num_classes) - same_class
        denominator = exponential.div(weights).sum(dim=1, keepdim=True)
        log_share = logits - torch.log(denominator)
        per_anchor = -(same_class * log_share).sum(1) / same_class.sum(1)
        return per_anchor.view(2, -1).mean()
