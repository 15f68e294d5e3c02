"""Reduced decoding is asked for, touches large JPEGs only, and makes another store."""

import io

import numpy as np
import polars as pl
import pytest
from extraction_world import Files, MatrixEncoder, World, same_bytes
from PIL import Image
from torchvision import transforms

from pipeline.datasets.images import decode_image
from pipeline.extraction.decoding import ImageReader, resize_target
from pipeline.extraction.extract_params import ExtractParams, key_parts
from pipeline.storage.store import read_features

RNG = np.random.default_rng(0)


def photo(width, height, kind, mode="RGB"):
    """A smooth picture as the bytes of a file."""
    small = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    data = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("size", "at_least", "found"),
    [
        ((800, 600), 224, (400, 300)),
        ((800, 600), 64, (100, 75)),
        ((800, 447), 224, (800, 447)),  # half of 447 would be too small
        ((801, 449), 224, (401, 225)),
        ((8000, 6000), 10, (1000, 750)),  # an eighth is the least there is
    ],
)
def test_a_jpeg_is_halved_while_both_sides_keep_what_is_asked(size, at_least, found):
    data = photo(*size, "jpeg")

    assert decode_image(data, path="p").size == size
    assert decode_image(data, path="p", at_least=at_least).size == found


def test_the_reduced_picture_shows_the_same():
    data = photo(800, 600, "jpeg")
    whole = decode_image(data, path="p").resize((100, 75), Image.Resampling.BOX)
    reduced = decode_image(data, path="p", at_least=64)

    difference = np.abs(np.asarray(whole, float) - np.asarray(reduced, float))
    assert difference.mean() < 2


@pytest.mark.parametrize(
    ("kind", "mode"), [("png", "RGB"), ("bmp", "RGB"), ("tiff", "RGB"), ("png", "L")]
)
def test_other_formats_are_untouched(kind, mode):
    data = photo(300, 200, kind, mode)

    assert decode_image(data, path="p", at_least=10) == decode_image(data, path="p")


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_are_reduced_too(mode):
    image = decode_image(photo(300, 200, "jpeg", mode), path="p", at_least=40)

    assert (image.size, image.mode) == ((75, 50), "RGB")


def test_the_target_is_what_the_transform_resizes_to():
    def target(resize):
        return resize_target(transforms.Compose([resize, transforms.CenterCrop(8)]))

    assert target(transforms.Resize(256)) == 256
    assert target(transforms.Resize((224, 336))) == 336
    with pytest.raises(ValueError, match=r"begins with CenterCrop.*extract\.decode: exact"):
        target(transforms.CenterCrop(224))
    with pytest.raises(ValueError, match="begins with None"):
        resize_target(lambda image: image)


def test_only_the_asked_for_way_is_in_the_key():
    assert "decode" not in key_parts(ExtractParams(), "cpu", side=224)
    assert key_parts(ExtractParams(decode="reduced"), "cpu", side=224)["decode"] == "reduced"


class Shrink:
    """A transform of the form of the models' own, that notes what it is given."""

    def __init__(self):
        """Begin with a resize, as they do."""
        self.seen = []
        self.transforms = [transforms.Resize((4, 4))]

    def __call__(self, image):
        self.seen.append(image.size)
        return np.asarray(image.resize((4, 4)), dtype=np.float32).reshape(-1) / 255


@pytest.fixture
def photos(tmp_path):
    """Six images, half of them JPEGs of 64 pixels."""
    world = World.make(tmp_path, 6)
    paths = world.index["path"].to_list()
    for path in paths[::2]:
        (tmp_path / "images" / path).write_bytes(photo(64, 64, "jpeg"))
    world.index = world.index.with_columns(sha256=pl.lit(None, pl.String))
    return world


def test_an_extraction_reduces_when_told_and_says_so(photos):
    ways = {name: Shrink() for name in ("default", "exact", "reduced")}
    told = {
        name: photos.extract(
            f"{name}.zarr",
            encoder=MatrixEncoder(prepare=shrink),
            **({} if name == "default" else {"decode": name}),
        )
        for name, shrink in ways.items()
    }

    assert (
        sorted(ways["default"].seen) == sorted(ways["exact"].seen) == [(4, 4)] * 3 + [(64, 64)] * 3
    )
    assert sorted(ways["reduced"].seen) == [(4, 4)] * 3 + [(8, 8)] * 3
    assert same_bytes(photos.root / "default.zarr", photos.root / "exact.zarr")
    assert told["default"]["key"] == told["exact"]["key"] != told["reduced"]["key"]
    assert (told["exact"]["decode"], told["reduced"]["decode"]) == ("exact", "reduced")
    exact, reduced = (
        read_features(photos.root / f"{n}.zarr").features for n in ("exact", "reduced")
    )
    np.testing.assert_array_equal(exact[1::2], reduced[1::2])
    assert (exact[::2] != reduced[::2]).any(axis=1).all()


def test_worker_processes_reduce_the_same_way(photos):
    import torch

    from pipeline.extraction.decoding import decode_in_threads, decode_in_workers

    paths = photos.index["path"].to_list()
    transform = transforms.Compose([transforms.Resize((4, 4)), transforms.ToTensor()])
    source = Files(photos.root / "images")
    reader = ImageReader(source, paths, [None] * 6, transform, at_least=4)

    from_workers = torch.cat(list(decode_in_workers(reader, [range(6)], workers=1, pin=False)))
    [from_threads] = decode_in_threads(reader, [range(6)], threads=1, ahead=1)

    assert torch.equal(from_workers, torch.stack(from_threads))
    whole = ImageReader(source, paths, [None] * 6, transform)
    assert not torch.equal(from_workers[0], whole(0))
