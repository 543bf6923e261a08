# Places-LT: 62,500 training images of 365 scenes, with val and test splits.
_base_ = './imagenet_lt.py'

dataset_type = 'PlacesLT'
data_root = 'data/places'
train_dataloader = dict(batch_size=128, dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
