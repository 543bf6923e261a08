# iNaturalist 2018: 437,513 training images of 8,142 species. Its validation images are what the
# field reports on, so they are the test split here and nothing is selected on them.
_base_ = './imagenet_lt.py'

dataset_type = 'INaturalist2018'
data_root = 'data/inaturalist2018'
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = None
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, split='val'))
val_evaluator = None
