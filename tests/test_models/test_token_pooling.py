"""TokenPooling asks timm's models which of their tokens are of the image."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from rcl_mm.errors import InputError
from rcl_mm.models.necks import TokenPooling

# Class token, prefix tokens.
MODELS_OF_TIMM = {
    'vit_tiny_patch16_224': (True, 1),
    'vit_little_patch16_reg4_gap_256': (False, 4),
    'vit_base_patch16_siglip_224': (False, 0),
    'mixer_s32_224': (False, 0),
}


def tokens_of(name, kind='TIMMBackbone'):
    torch.manual_seed(0)
    size = 224 if 'mixer' in name else 32
    settings = {} if size == 224 else dict(img_size=size)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(dict(type=kind, model_name=name, **settings))
    net.eval()
    with torch.no_grad():
        return net(torch.rand(1, 3, size, size))


class TestTokenPooling:
    @pytest.mark.parametrize('name', MODELS_OF_TIMM)
    def test_the_model_is_asked(self, name):
        has_class_token, prefix = MODELS_OF_TIMM[name]
        feats = tokens_of(name)
        expected = feats[-1][:, prefix:].mean(dim=1)
        assert torch.equal(TokenPooling('mean')(feats)[0], expected)
        if has_class_token:
            assert torch.equal(TokenPooling('cls')(feats)[0], feats[-1][:, 0])
        else:
            with pytest.raises(InputError, match="has no class token.* use pool='mean'"):
                TokenPooling('cls')(feats)

    def test_another_number_than_the_model_has(self):
        feats = tokens_of('vit_little_patch16_reg4_gap_256', 'FrozenTIMMBackbone')
        with pytest.raises(InputError, match='has 4: leave the number out'):
            TokenPooling('mean', num_prefix_tokens=1)(feats)
        assert TokenPooling('mean', num_prefix_tokens=4)(feats)[0].shape == (1, 320)

    def test_tokens_from_elsewhere(self):
        tokens = torch.rand(2, 5, 3)
        assert torch.equal(TokenPooling('mean')(tokens)[0], tokens[:, 1:].mean(1))
        assert torch.equal(TokenPooling('mean', 0)(tokens)[0], tokens.mean(1))
