"""``extract.decode: device`` shows the same pictures in a store of its own, and names failures."""

import io
import struct

import numpy as np
import polars as pl
import pytest
import torch
from extraction_world import World
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

import pipeline.extraction.torchvision_pixels as torchvision_pixels_module
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.weights import write_record
from pipeline.datasets.images import ImageError, ImageParams, decode_image
from pipeline.extraction.encoder import TorchEncoder
from pipeline.extraction.extract_params import ExtractParams, key_parts
from pipeline.extraction.torchvision_pixels import (
    Encoded,
    plain_jpeg_size,
    torchvision_pixels,
    without_exif,
)
from pipeline.storage.store import read_features

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
STEPS = [
    transforms.Resize(32, interpolation=InterpolationMode.BICUBIC),
    transforms.CenterCrop(32),
]


def photo(width=301, height=200, kind="jpeg", mode="RGB", **options):
    """A smooth picture as the bytes of a file."""
    small = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    data = io.BytesIO()
    large = small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    large.save(data, kind, **options)
    return data.getvalue()


def by_pillow(data, steps=STEPS):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    for step in steps:
        image = step(image)
    return np.array(image).astype(int)


def on_tensors(data, steps=STEPS, late=False, params=None):
    pixels = torchvision_pixels(steps, CPU)
    object.__setattr__(pixels, "late", late)
    item = pixels.read(data, "p.jpg", params or ImageParams())
    return (pixels.finish([item])[0] if late else item).numpy().astype(int)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("size", "kind", "mode", "options"),
    [
        ((301, 200), "jpeg", "RGB", {}),
        ((200, 301), "jpeg", "RGB", {"progressive": True}),
        ((640, 480), "jpeg", "L", {}),
        ((120, 90), "jpeg", "CMYK", {}),
        ((33, 33), "jpeg", "RGB", {"subsampling": 0}),
        ((20, 24), "jpeg", "RGB", {}),
        ((301, 200), "png", "RGBA", {}),
        ((301, 200), "png", "P", {}),
        ((301, 200), "webp", "RGB", {"lossless": True}),
    ],
)
def test_pixels_are_those_of_pillow_within_two_levels(size, kind, mode, options, late):
    data = photo(*size, kind, mode, **options)

    assert np.abs(on_tensors(data, late=late) - by_pillow(data)).max() <= 2


@pytest.mark.parametrize(
    "steps",
    [
        [transforms.Resize((24, 40), interpolation=InterpolationMode.BILINEAR)],
        [transforms.Resize(40), transforms.CenterCrop((32, 24))],
    ],
)
def test_other_resizes_and_crops(steps):
    data = photo()

    found = on_tensors(data, steps)
    assert found.shape == by_pillow(data, steps).shape
    assert np.abs(found - by_pillow(data, steps)).max() <= 2


def test_a_turned_jpeg_is_turned_when_told():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    data = photo(301, 200, exif=exif.tobytes())
    steps = [transforms.Resize((30, 20), interpolation=InterpolationMode.BICUBIC)]

    ignored = on_tensors(data, steps)
    assert np.abs(ignored - by_pillow(data, steps)).max() <= 2
    turned = on_tensors(data, steps, params=ImageParams(exif="apply"))
    upright = Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_270)
    assert np.abs(turned - np.array(steps[0](upright)).astype(int)).max() <= 2


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("exif", ["ignore", "apply"])
def test_an_orientation_that_pillow_does_not_read_turns_nothing(count, exif):
    """torchcodec reads it in a tag of no values, and turned the photo."""
    entry = struct.pack("<HHHIHH", 1, 0x0112, 3, count, 6, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + struct.pack("<I", 0)
    data = photo(301, 200)
    data = data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block + data[2:]
    params = ImageParams(exif=exif)
    steps = [transforms.Resize((30, 20), interpolation=InterpolationMode.BICUBIC)]

    exact = steps[0](decode_image(data, path="p", exif=exif))

    found = on_tensors(data, steps, params=params)
    assert np.abs(found - np.array(exact).astype(int)).max() <= 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe1\0\x08Exif\0\0\xff\xda\0\0..", b"\xff\xd8\xff\xda\0\0.."),
        (b"\xff\xd8\xff\xe1\0\x06http\xff\xda", b"\xff\xd8\xff\xe1\0\x06http\xff\xda"),
        (b"\xff\xd8\xff\xff\xda", None),  # filled up with FF: Pillow's
        (b"\xff\xd8\xff\xe1\0\0Exif", None),
        (b"\xff\xd8\xff\xe1\0\x09Exi", None),
        (b"", None),
    ],
)
def test_exif_blocks_are_cut_out(data, expected):
    assert without_exif(data) == expected


def test_a_late_batch_is_the_early_one():
    """A GPU decodes a whole piece; on the CPU both ways give the same bytes."""
    files = [photo(90 + n, 80) for n in range(5)] + [photo(kind="png")]
    early, late = (torchvision_pixels(STEPS, CPU) for _ in range(2))
    object.__setattr__(late, "late", True)

    items = [late.read(data, "p", ImageParams()) for data in files]
    assert [isinstance(item, Encoded) for item in items] == [True] * 5 + [False]
    assert torch.equal(
        late.finish(items), torch.stack([early.read(data, "p", ImageParams()) for data in files])
    )


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("data", [photo()[:900], photo()[:40], b"", b"no image"])
def test_a_damaged_file_is_named(data, late):
    with pytest.raises(ImageError, match=r"p\.jpg: "):
        on_tensors(data, late=late)


def test_a_good_file_beside_a_damaged_one_is_not_blamed():
    pixels = torchvision_pixels(STEPS, CPU)
    items = [
        Encoded(data, path, ImageParams(), 1)
        for path, data in (("good", photo()), ("bad", photo()[:900]))
    ]

    with pytest.raises(ImageError, match="bad: "):
        pixels.finish(items)


def test_a_batch_is_decoded_in_groups_that_fit():
    """Large pictures one after the other, small ones together, in order."""
    sizes = [30, 30, 50, 20, 100, 10]
    jpegs = [Encoded(b"", str(n), ImageParams(), size) for n, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision_pixels_module, "TOGETHER", 64)
        groups = torchvision_pixels_module._groups(jpegs)

    assert [[jpeg.pixels for jpeg in group] for group in groups] == [
        [30, 30],
        [50],
        [20],
        [100],
        [10],
    ]


def test_a_failure_of_the_device_is_not_blamed_on_a_file(monkeypatch):
    """With the decoder out of memory, Pillow's pixels instead would depend on what is free."""

    def fails(*_, **__):
        raise RuntimeError("nvjpegCreate: out of memory")

    pixels = torchvision_pixels(STEPS, CPU)
    object.__setattr__(pixels, "late", True)
    item = pixels.read(photo(), "p", ImageParams())
    monkeypatch.setattr(torchvision_pixels_module, "decode_jpeg", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        pixels.finish([item])


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (photo(10, 8), 80),
        (photo(10, 8, mode="L"), 80),
        (photo(10, 8, mode="CMYK"), 0),
        (photo(10, 8, kind="png"), 0),
        (photo(10, 8, keep_rgb=True), 0),
        (photo(300, 200)[:-200], 0),
        (b"nothing", 0),
    ],
)
def test_only_plain_jpegs_are_decoded_on_the_device(data, plain):
    assert plain_jpeg_size(data, path="p", params=ImageParams()) == plain


def test_a_steep_reduction_leaves_the_device(monkeypatch):
    """CUDA's kernel has no room for it; which images go is a matter of size alone."""
    pixels = torchvision_pixels(STEPS, CPU)
    object.__setattr__(pixels, "late", True)
    moved = []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: moved.append(tensor.shape) or tensor)

    for side in (1280, 1290):
        pixels.finish([pixels.read(photo(side, side), "p", ImageParams())])
    assert [shape[1] for shape in moved] == [1290]


def test_a_bomb_is_refused_before_it_is_decoded():
    with pytest.raises(ImageError, match=r"more than images\.max_pixels = 1000"):
        on_tensors(photo(), params=ImageParams(max_pixels=1000))


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([transforms.CenterCrop(32)], "has CenterCrop"),
        ([], "has nothing"),
        ([transforms.Resize(32, interpolation=InterpolationMode.LANCZOS)], "lanczos"),
        ([transforms.Resize(32), transforms.Pad(2)], r"has Resize\(size=32, .*, Pad"),
        ([transforms.Resize(32, max_size=40)], "max_size=40"),
    ],
)
def test_other_transforms_are_refused_with_the_cure(steps, found):
    with pytest.raises(ValueError, match=rf"{found}.*; set extract\.decode: exact"):
        torchvision_pixels(steps, CPU)


def test_a_device_that_cannot_decode_is_refused_with_the_cure():
    with pytest.raises(ValueError, match=r"decodes JPEGs on meta.*set extract\.decode: exact"):
        torchvision_pixels(STEPS, torch.device("meta"))


def test_worker_processes_are_refused():
    with pytest.raises(ValueError, match=r"extract\.workers must be auto or 0 .* got 4"):
        ExtractParams(decode="device", workers=4)


def test_the_key_tells_the_ways_apart():
    keys = [key_parts(ExtractParams(decode=way), "cpu", side=224) for way in ("exact", "device")]

    assert keys[1] == {**keys[0], "decode": "device", "torchcodec": keys[1]["torchcodec"]}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights")
    write_record(weights, {"sha256": "random weights, seed 0"})
    entry = {
        "loader": "timm",
        "name": "test_resnet",
        "random_weights": True,
        "transform": {"input_size": [3, 32, 32], "interpolation": "bicubic"},
    }
    return load_backbone("m", entry, weights, "cpu")


def test_an_extraction_decodes_on_the_device_when_told(backbone, tmp_path):
    """Early and late give the same store; it is close to the exact one, and says what it is."""
    world = World.make(tmp_path, 12)
    for path in world.index["path"].to_list()[::2]:
        (tmp_path / "images" / path).write_bytes(photo(64, 48))
    world.index = world.index.with_columns(sha256=pl.lit(None, pl.String))
    encoders = {
        name: TorchEncoder(backbone, decode_on_device=name != "exact")
        for name in ("exact", "early", "late")
    }
    object.__setattr__(encoders["late"].pixels, "late", True)

    told, rows = {}, {}
    for name, encoder in encoders.items():
        way = "exact" if name == "exact" else "device"
        told[name] = world.extract(
            f"{name}.zarr", cache=name, encoder=encoder, decode=way, dtype="float32"
        )
        rows[name] = read_features(tmp_path / f"{name}.zarr").features[:]

    assert told["early"]["key"] == told["late"]["key"] != told["exact"]["key"]
    assert told["early"]["decode"] == "device"
    np.testing.assert_array_equal(rows["early"], rows["late"])
    assert not np.array_equal(rows["early"], rows["exact"])
    np.testing.assert_allclose(
        rows["early"], rows["exact"], atol=0.02 * np.abs(rows["exact"]).max()
    )
