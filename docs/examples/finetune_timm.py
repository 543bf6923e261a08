"""Fine-tune a timm model with RCL in a plain loop: python docs/examples/finetune_timm.py

The head of the paper is a module, so that a loop needs no maths of its own. On Digits-LT, which
needs no download; give --pretrained where there is a network.
"""

import argparse

import numpy as np
import timm
import torch
from mmpretrain.structures import DataSample
from torch.nn.functional import pad
from torch.utils.data import DataLoader

from rcl_mm.datasets import DigitsLT
from rcl_mm.models import RCLHead


def load(split, **kwargs):
    """Images (N, 3, 32, 32) of -1..1 and labels (N, ) of a split of Digits-LT."""
    dataset = DigitsLT(split=split, **kwargs)
    images = np.stack([dataset.get_data_info(i)['img'] for i in range(len(dataset))])
    images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, torch.from_numpy(dataset.get_gt_labels())


def view(images):
    """A random crop of each batch after padding by 4 pixels, with noise."""
    top, left = torch.randint(0, 9, (2,)).tolist()
    images = pad(images, (4, 4, 4, 4), value=-1.0)[..., top : top + 32, left : left + 32]
    return images + 0.1 * torch.randn_like(images)


def finetune(model='resnet10t', pretrained=False, epochs=10, seed=0):
    """Fine-tune, and return the balanced accuracy on the test split in percent."""
    torch.manual_seed(seed)
    images, labels = load('train', imbalance_factor=50)
    backbone = timm.create_model(model, pretrained=pretrained, num_classes=0)
    head = RCLHead(
        num_classes=10,
        in_channels=backbone.num_features,
        loss=dict(
            type='RCLLoss', class_counts=torch.bincount(labels, minlength=10), con_weight=0.35
        ),
    )
    # A new head learns faster than a backbone that has learnt already.
    optimizer = torch.optim.AdamW(
        [
            dict(params=backbone.parameters(), lr=1e-4 if pretrained else 1e-3),
            dict(params=head.parameters(), lr=1e-3),
        ],
        weight_decay=0.05,
    )
    loader = DataLoader(
        torch.utils.data.TensorDataset(images, labels), batch_size=32, shuffle=True, drop_last=True
    )
    for _ in range(epochs):
        for x, y in loader:
            samples = [DataSample().set_gt_label(label) for label in y]
            # Two views of each image, one after the other.
            losses = head.loss((backbone(torch.cat([view(x), view(x)])),), samples)
            loss = losses['loss_cls'] + losses['loss_con']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    backbone.eval(), head.eval()
    test_images, test_labels = load('test')
    with torch.no_grad():
        predicted = head((backbone(test_images),)).argmax(dim=1)
    hits = torch.bincount(test_labels[predicted == test_labels], minlength=10)
    return (100 * hits / torch.bincount(test_labels)).mean().item()


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition(':')[0])
    parser.add_argument('--model', default='resnet10t', help='any timm model for 32x32 images')
    parser.add_argument('--pretrained', action='store_true', help='download its weights')
    parser.add_argument('--epochs', type=int, default=10)
    args = parser.parse_args()
    print(f'balanced accuracy: {finetune(args.model, args.pretrained, args.epochs):.1f} %')
