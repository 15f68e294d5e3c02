"""A transform cut where bytes become floats gives the same floats, bit for bit."""

import pickle

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torchvision import transforms

from pipeline.backbones.transforms import split_before_floats
from pipeline.extraction.decoding import resize_target

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def of_open_clip():
    return open_clip.image_transform(32, is_train=False, mean=MEAN, std=STD)


def of_timm():
    model = timm.create_model("test_resnet", pretrained=False)
    return create_transform(**resolve_data_config({}, model=model), is_training=False)


def of_torchvision():
    """OpenAI's own steps."""
    return transforms.Compose(
        [
            transforms.Resize(24, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(24),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(300, 200), (200, 300), (224, 224), (40, 41)]
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.mark.parametrize("transform", [of_open_clip, of_timm, of_torchvision])
def test_bytes_then_floats_of_a_batch_are_the_floats_of_each_image(transform, photos):
    whole = transform()
    to_bytes, to_floats = pickle.loads(pickle.dumps(split_before_floats(whole)))

    pixels = [to_bytes(photo) for photo in photos]
    batch = to_floats(torch.stack(pixels))

    assert {image.dtype for image in pixels} == {torch.uint8}
    assert torch.equal(batch, torch.stack([whole(photo) for photo in photos]))
    assert resize_target(to_bytes) == resize_target(whole)


def test_every_byte_value_by_hand():
    """0 is black, 255 white: (0 - 0.5) / 0.5 and (1 - 0.5) / 0.5; each value as torch divides."""
    to_floats = split_before_floats(
        transforms.Compose(
            [
                transforms.Resize(16),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )
    )[1]
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)

    floats = to_floats(values)

    assert floats[0, :, 0, 0].tolist() == [-1, -1, -1]
    assert floats[0, :, 15, 15].tolist() == [1, 1, 1]
    expected = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(
        0.5
    )
    np.testing.assert_array_equal(floats[0, 1].flatten().numpy(), expected)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [transforms.ToTensor(), transforms.Normalize(MEAN, STD)],
        [transforms.Resize(8), transforms.ToTensor()],
        [transforms.Resize(8), transforms.ToTensor(), torch.nn.Identity()],
    ],
)
def test_other_transforms_stay_whole(steps):
    assert split_before_floats(transforms.Compose(steps)) is None
    assert split_before_floats(lambda image: image) is None
