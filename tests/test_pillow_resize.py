"""The compiled resize gives Pillow's own bytes, and steps aside where it would not."""

import pickle
import threading

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import MaybeConvertMode
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from pipeline.backbones.transforms import BytePixels, split_before_floats
from pipeline.extraction import pillow_resize
from pipeline.extraction.decoding import resize_target
from pipeline.extraction.pillow_resize import START, PillowResize, _Kernel, with_fast_resize

CUBIC, LINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    """Without this, a test's few pixels would all be Pillow's work."""
    pillow_resize._KERNEL.pays(START)
    assert pillow_resize._KERNEL.run is not None


@pytest.fixture
def runs(monkeypatch):
    """How often the compiled code ran."""
    seen, run = [], pillow_resize._KERNEL.run

    def counting(*args, **kwargs):
        seen.append(args[1:])
        return run(*args, **kwargs)

    monkeypatch.setattr(pillow_resize._KERNEL, "run", counting)
    return seen


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise with black and white areas: overshoot is clipped on both sides."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels[rng.random((height, width)) < 0.3] = 255
    pixels[: height // 3, : width // 2] = 0
    return Image.fromarray(pixels)


def same(steps, image: Image.Image) -> bool:
    original = BytePixels(tuple(steps))
    fast = with_fast_resize(original)
    assert isinstance(fast, PillowResize)
    return np.array_equal(fast(image), original(image))


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(2, 400),
    height=st.integers(2, 400),
    size=st.integers(1, 96) | st.tuples(st.integers(1, 96), st.integers(1, 96)),
    crop=st.none() | st.integers(1, 96),
    mode=st.sampled_from([CUBIC, LINEAR]),
)
def test_any_size_any_crop_same_bytes(width, height, size, crop, mode):
    steps = [transforms.Resize(size, mode)]
    steps += [] if crop is None else [transforms.CenterCrop(crop)]

    assert same(steps, photo(width, height))


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(500, 375, 224), (375, 500, 224), (299, 224, 32), (40, 30, 64), (224, 300, (48, 48))],
)
def test_usual_photos_go_through_the_compiled_code(runs, width, height, size):
    crop = size if isinstance(size, int) else size[0]

    assert same([transforms.Resize(size, CUBIC), transforms.CenterCrop(crop)], photo(width, height))
    assert len(runs) == 1


def test_a_photo_whose_memory_is_in_pieces():
    """Pillow keeps more than 16 MB in several blocks."""
    large = photo(2400, 1900)

    assert same([transforms.Resize(64, CUBIC), transforms.CenterCrop(64)], large)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (photo(100, 400), "the columns come first"),
        (photo(64, 64), "nothing to resize"),
        (photo(80, 80).convert("L"), "one channel"),
        (photo(80, 80).convert("RGBA"), "its transparency weighs the colours"),
    ],
)
def test_what_it_does_not_do_is_left_to_pillow(runs, image, why):
    steps = [transforms.Resize(64, CUBIC), transforms.CenterCrop(64), MaybeConvertMode()]

    assert same(steps, image), why
    assert not runs


def test_a_crop_larger_than_the_image_is_filled_by_torchvision(runs):
    assert same([transforms.Resize(20, CUBIC), transforms.CenterCrop(48)], photo(60, 50))
    assert not runs


@pytest.mark.parametrize(
    "step",
    [
        transforms.Pad(8),
        transforms.Resize(8, InterpolationMode.LANCZOS),
        transforms.Resize(8, InterpolationMode.NEAREST),
        transforms.Resize(8, CUBIC, max_size=12),
    ],
)
def test_other_steps_stay(step):
    pixels = BytePixels((step, transforms.CenterCrop(8)))

    assert with_fast_resize(pixels) is pixels


def test_a_step_that_changes_pixels_stays():
    pixels = BytePixels((transforms.Resize(8, CUBIC), transforms.RandomInvert(p=1.0)))

    assert with_fast_resize(pixels) is pixels


def test_the_first_pixels_are_pillows_for_compiling_costs_more(monkeypatch):
    kernel = _Kernel()
    monkeypatch.setattr(pillow_resize, "_checked", lambda: "compiled")

    assert not kernel.pays(START // 2)
    assert kernel.pays(START // 2)
    assert kernel.run == "compiled"


def test_threads_do_not_wait_for_the_compiler(monkeypatch):
    kernel, compiling, go_on = _Kernel(), threading.Event(), threading.Event()

    def slow():
        compiling.set()
        assert go_on.wait(10)
        return "compiled"

    monkeypatch.setattr(pillow_resize, "_checked", slow)
    first = threading.Thread(target=kernel.pays, args=(START,))
    first.start()
    assert compiling.wait(10)
    meanwhile = kernel.pays(START)
    go_on.set()
    first.join()

    assert not meanwhile
    assert kernel.pays(1)


def test_code_that_gives_other_bytes_than_this_pillow_is_not_used(monkeypatch, capsys):
    from pipeline.extraction import resample_kernel

    right = resample_kernel.resampled
    monkeypatch.setattr(resample_kernel, "resampled", lambda *a, **k: right(*a, **k) ^ 1)

    assert pillow_resize._checked() is None
    assert "resizes (bicubic) in another way" in capsys.readouterr().err


def test_an_interpreted_kernel_would_be_slower_than_pillow(monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)

    assert pillow_resize._checked() is None


def test_open_clips_transform_is_sped_up_and_can_be_sent_to_workers(runs):
    whole = open_clip.image_transform(32, is_train=False)
    to_bytes, _ = split_before_floats(whole)
    fast = with_fast_resize(to_bytes)
    image = photo(300, 200)

    assert np.array_equal(pickle.loads(pickle.dumps(fast))(image), to_bytes(image))
    assert len(runs) == 1
    assert resize_target(fast) == 32
