# CIFAR-100-LT: as CIFAR-10-LT, with 100 classes.
_base_ = './cifar10_lt.py'

data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root, num_classes=100)))
test_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root, num_classes=100)))
