# CIFAR-100-LT: as CIFAR-10-LT, with 100 classes.
_base_ = './cifar10_lt.py'

dataset_type = 'CIFAR100'
data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(dataset=dict(type=dataset_type, data_root=data_root)))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
