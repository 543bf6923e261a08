"""RCL in a plain PyTorch loop, on digits with a long tail: python docs/examples/plain_loop.py"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import normalize

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss


def mlp(d, out):
    return nn.Sequential(nn.Linear(d, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, out))


def view(images):
    """A random view: shifted by up to a pixel, with noise."""
    shift = torch.randint(-1, 2, (2,)).tolist()
    return images.roll(shift, dims=(2, 3)) + 0.1 * torch.randn_like(images)


def train(epochs=40, seed=0):
    """Train, and return the balanced accuracy on the test images in percent."""
    torch.manual_seed(seed)
    digits = load_digits()
    images, labels = torch.tensor(digits.images)[:, None].float() / 16, torch.tensor(digits.target)
    classes = [torch.where(labels == c)[0] for c in range(10)]
    test = torch.cat([indices[:50] for indices in classes])  # balanced
    long_tail = [int(100 * 50 ** (-c / 9)) for c in range(10)]  # 100 images down to 2
    train = torch.cat([indices[50:][:n] for indices, n in zip(classes, long_tail)])
    class_counts = torch.bincount(labels[train])
    backbone = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, 2, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
    )
    classifier, projector, prototypes = nn.Linear(256, 10), mlp(256, 64), mlp(256, 64)
    model = nn.ModuleList([backbone, classifier, projector, prototypes])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for batch in train[torch.randperm(len(train))].split(64):
            y = labels[batch].repeat(2)  # two views of each image, one after the other
            features = backbone(torch.cat([view(images[batch]), view(images[batch])]))
            embeddings = normalize(projector(features), dim=1)
            centres = normalize(prototypes(classifier.weight), dim=1)
            loss = balanced_softmax_loss(classifier(features), y, class_counts)
            loss = loss + 0.35 * rebalanced_contrastive_loss(embeddings, y, centres, class_counts)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():  # the adjustment by class counts is for training only
        correct = classifier(backbone(images[test])).argmax(dim=1) == labels[test]
    return 100 * correct.float().mean().item()


if __name__ == '__main__':
    print(f'balanced accuracy: {train():.1f} %')
