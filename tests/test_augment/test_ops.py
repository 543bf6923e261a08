"""The batch operations against torchvision and PIL, one image at a time."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as F
from PIL import Image, ImageEnhance, ImageOps

from rcl_mm.augment import ops
from rcl_mm.augment.params import LUMA
from rcl_mm.augment.policies import CODES, affine_matrices

N = 6


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(N, 3, 6, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (24, 31), mode='bicubic')
    # The last image uses half of the range only, and one of its channels is flat.
    smooth[-1] = 0.3 + 0.4 * smooth[-1]
    smooth[-1, 1] = 0.5
    return (smooth * 255).clamp(0, 255).byte()


def pil(image):
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def from_pil(image):
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def assert_close_to_pil(result, images, function, most=1, share_off=0.02):
    """Equal to PIL but for a rounding in a few pixels."""
    assert result.dtype == torch.uint8
    for i in range(len(images)):
        difference = (result[i].int() - from_pil(function(i, pil(images[i]))).int()).abs()
        assert difference.max() <= most, f'image {i}'
        assert (difference > 0).float().mean() <= share_off, f'image {i}'


class TestSeparable:
    def test_resized_crop__torchvision_with_antialias(self, images):
        top, left = torch.tensor([0.0, 3, 5, 1, 0, 2]), torch.tensor([0.0, 7, 2, 0, 9, 1])
        height = torch.tensor([24.0, 9, 16, 20, 5, 22])
        width = torch.tensor([31.0, 20, 6, 28, 12, 30])
        flip = torch.tensor([0.0, 1, 0, 1, 1, 0])
        rows = ops.resize_weights(top, height, torch.zeros(N), 24, 16)
        columns = ops.resize_weights(left, width, flip, 31, 12)
        result = ops.separable(images, rows, columns)
        for i in range(N):
            box = [int(t[i]) for t in (top, left, height, width)]
            expected = F.resized_crop(images[i].float(), *box, (16, 12), antialias=True)
            expected = F.hflip(expected) if flip[i] else expected
            torch.testing.assert_close(result[i], expected, atol=2e-3, rtol=0)

    def test_blur__torchvision_in_the_interior(self, images):
        sigma = torch.tensor([0.1, 0.5, 1.0, 1.5, 2.0, 0.01])
        square = images[..., :24].float()
        weights = ops.blur_weights(sigma, 24, 6)
        result = ops.separable(square, weights, weights)
        for i in range(N):
            padded = torch.nn.functional.pad(square[i], (6,) * 4, mode='replicate')
            expected = F.gaussian_blur(padded, 13, max(float(sigma[i]), 0.05))[:, 6:-6, 6:-6]
            torch.testing.assert_close(result[i], expected, atol=2e-3, rtol=0)
        torch.testing.assert_close(result[-1], square[-1])


class TestColor:
    @pytest.mark.parametrize('shift', [0.0, 0.1, -0.25, 0.5])
    def test_shift_hue__torchvision(self, images, shift):
        result = ops.shift_hue(images.float(), torch.full((N,), shift))
        expected = F.adjust_hue(images.float() / 255, shift) * 255
        torch.testing.assert_close(result, expected, atol=1e-2, rtol=0)

    def test_color_matrix__brightness_contrast_saturation_of_torchvision(self, images):
        x, eye = images.float() / 255, torch.eye(3)
        luma = torch.tensor(LUMA, dtype=torch.float32).expand(3, 3)
        for factor in (0.3, 1.7):
            cases = {
                F.adjust_brightness: (factor * eye, 0 * eye),
                F.adjust_contrast: (factor * eye, (1 - factor) * luma),
                F.adjust_saturation: (factor * eye + (1 - factor) * luma, 0 * eye),
            }
            for adjust, (scale, of_mean) in cases.items():
                result = ops.color_matrix(
                    images.float().flatten(2), scale.expand(N, 3, 3), of_mean.expand(N, 3, 3)
                ).view_as(images)
                torch.testing.assert_close(result, adjust(x, factor) * 255, atol=0.05, rtol=0)

    @pytest.mark.parametrize('factor', [0.3, 1.7])
    def test_enhance__pil(self, images, factor):
        eye, luma = torch.eye(3), torch.tensor(LUMA, dtype=torch.float32).expand(3, 3)
        contrast = ops.enhance(
            images, factor * eye.expand(N, 3, 3), (1 - factor) * luma.expand(N, 3, 3)
        )
        assert_close_to_pil(
            contrast, images, lambda i, x: ImageEnhance.Contrast(x).enhance(factor), 1, 0.5
        )
        brightness = ops.enhance(images, factor * eye.expand(N, 3, 3), torch.zeros(N, 3, 3))
        assert_close_to_pil(
            brightness, images, lambda i, x: ImageEnhance.Brightness(x).enhance(factor), 1, 0.1
        )


class TestOperations:
    def test_affine__pil_nearest(self, images):
        names = ['ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate', 'Identity']
        values = np.array([0.3, -0.23, 5, -7, 23, 1.0])
        codes = np.array([CODES[name] for name in names])
        matrix = torch.from_numpy(affine_matrices(codes, values, 24, 31)).float()
        result = ops.affine(images, matrix, torch.tensor([10.0, 20.0, 30.0]))
        transforms = [
            (1, 0.3, 0, 0, 1, 0),
            (1, 0, 0, -0.23, 1, 0),
            (1, 0, -5, 0, 1, 0),
            (1, 0, 0, 0, 1, 7),
            None,
            (1, 0, 0, 0, 1, 0),
        ]

        def expected(i, x):
            if transforms[i] is None:
                return x.rotate(23, resample=Image.NEAREST, fillcolor=(10, 20, 30))
            return x.transform(
                x.size, Image.AFFINE, transforms[i], resample=Image.NEAREST, fillcolor=(10, 20, 30)
            )

        # A point that falls on the line between two pixels may go to either.
        assert_close_to_pil(result, images, expected, most=255, share_off=0.02)

    def test_affine__pil_bilinear_away_from_the_border(self, images):
        codes, values = np.full(N, CODES['Rotate']), np.array([5.0, -10, 15, -20, 25, 30])
        matrix = torch.from_numpy(affine_matrices(codes, values, 24, 31)).float()
        result = ops.affine(images, matrix, torch.zeros(3), 'bilinear')[..., 8:16, 8:20]
        for i in range(N):
            expected = from_pil(pil(images[i]).rotate(values[i], resample=Image.BILINEAR))
            difference = (result[i].int() - expected[:, 8:16, 8:20].int()).abs()
            assert difference.max() <= 1

    def test_levels__pil(self, images):
        bits = torch.tensor([8, 4, 1, 8, 8, 8])
        mask = (256 - 2 ** (8 - bits)).float()
        threshold = torch.tensor([0.0, 256, 256, 100, 256, 128])
        add = torch.tensor([0.0, 0, 0, 0, 90, 0])
        result = ops.levels(images, mask, threshold, add)
        functions = [
            ImageOps.invert,
            lambda x: ImageOps.posterize(x, 4),
            lambda x: ImageOps.posterize(x, 1),
            lambda x: ImageOps.solarize(x, 100),
            lambda x: x.point([min(255, v + 90) if v < 128 else v for v in range(256)] * 3),
            lambda x: ImageOps.solarize(x, 128),
        ]
        assert_close_to_pil(result, images, lambda i, x: functions[i](x), 0, 0)

    def test_sharpness__pil(self, images):
        factor = torch.tensor([0.0, 0.1, 0.9, 1.0, 1.5, 1.9])
        assert_close_to_pil(
            ops.sharpness(images, factor),
            images,
            lambda i, x: ImageEnhance.Sharpness(x).enhance(float(factor[i])),
        )

    def test_auto_contrast__pil(self, images):
        assert_close_to_pil(
            ops.auto_contrast(images), images, lambda i, x: ImageOps.autocontrast(x), 1, 0.06
        )

    def test_equalize__pil(self, images):
        assert_close_to_pil(ops.equalize(images), images, lambda i, x: ImageOps.equalize(x), 0, 0)

    def test_shifted_crop__padding_then_slicing(self, images):
        top, left = torch.tensor([0, 8, 4, 1, 2, 3]), torch.tensor([4, 0, 8, 7, 6, 5])
        flip = torch.tensor([0, 1, 0, 1, 0, 1])
        result = ops.shifted_crop(images, top, left, flip, 4)
        padded = torch.nn.functional.pad(images, (4,) * 4)
        for i in range(N):
            crop = padded[i, :, top[i] : top[i] + 24, left[i] : left[i] + 31]
            assert torch.equal(result[i], crop.flip(2) if flip[i] else crop)

    def test_cutout__loop_over_pixels(self, images):
        images = images.clamp(min=1)
        centres = torch.tensor([[[0, 0]], [[23, 30]], [[12, 15]], [[3, 28]], [[20, 2]], [[8, 8]]])
        result = ops.cutout(images, centres, 16)
        for i, ((y, x),) in enumerate(centres.tolist()):
            inside = torch.zeros(24, 31, dtype=torch.bool)
            for row in range(max(y - 8, 0), min(y + 8, 24)):
                for column in range(max(x - 8, 0), min(x + 8, 31)):
                    inside[row, column] = True
            assert torch.equal((result[i] == 0).all(0), inside)
            assert torch.equal(result[i][:, ~inside], images[i][:, ~inside])
