"""Files become RGB pictures as the models' own loaders see them, or are refused by name."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.images import ImageError, decode_image
from pipeline.extraction.decoding import ImageReader

GRADIENT = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "1", "LA", "RGBA", "P", "YCbCr"])
def test_eight_bit_modes_are_what_pillow_makes_of_them(mode):
    image = Image.fromarray(GRADIENT).convert(mode)
    data = encoded(image, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")

    seen = decode_image(data, path="x")

    assert seen.mode == "RGB"
    with Image.open(io.BytesIO(data)) as reference:
        assert np.array_equal(seen, reference.convert("RGB"))


def test_a_palette_with_transparency_gives_its_colours_without_a_warning():
    image = Image.fromarray(GRADIENT).convert("P")
    data = encoded(image, "PNG", transparency=bytes(range(0, 256, 8)))

    assert np.array_equal(decode_image(data, path="x"), image.convert("RGB"))


def test_sixteen_bit_greyscale_keeps_its_high_byte_instead_of_clipping():
    levels = np.array([[0, 255, 256], [32768, 65279, 65535]], dtype=np.uint16)

    seen = np.asarray(decode_image(encoded(Image.fromarray(levels), "PNG"), path="x"))

    np.testing.assert_array_equal(seen[..., 0], [[0, 0, 1], [128, 254, 255]])


def test_floating_point_pixels_have_no_declared_white():
    data = encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")

    with pytest.raises(ImageError, match=r"scan\.tif: .*no\s+declared white; convert"):
        decode_image(data, path="scan.tif")


def test_exif_orientation_is_ignored_unless_asked_for():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees
    data = encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)

    assert decode_image(data, path="x").size == (8, 4)
    assert decode_image(data, path="x", exif="apply").size == (4, 8)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert decode_image(data, path="x").getpixel((0, 0)) == (255, 0, 0)


def test_a_progressive_jpeg_and_a_wrong_extension_are_no_matter():
    data = encoded(Image.fromarray(GRADIENT), "JPEG", progressive=True)

    assert decode_image(data, path="really_a.png").size == (4, 4)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded():
    data = encoded(Image.new("1", (14_000, 14_000)), "PNG")  # a few kB that unpack to 196 million

    with pytest.raises(ImageError, match=r"bomb\.png: 14000 x 14000 pixels .*images\.max_pixels"):
        decode_image(data, path="bomb.png")
    assert decode_image(encoded(Image.new("L", (9, 9)), "PNG"), path="x", max_pixels=81)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"these are words", "no image format"),
        (encoded(Image.fromarray(GRADIENT), "PNG")[:50], "unreadable image"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:900], "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 40, "unreadable|no image"),
    ],
)
def test_what_is_no_complete_image_is_refused_with_its_path(data, reason):
    with pytest.raises(ImageError, match=rf"^a/b\.jpg: .*({reason})"):
        decode_image(data, path="a/b.jpg")


def test_the_error_survives_the_way_out_of_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(ImageError("a.jpg", "broken")))

    assert (error.path, error.reason, str(error)) == ("a.jpg", "broken", "a.jpg: broken")


def test_a_strip_that_would_fill_the_memory_when_resized_is_refused_by_the_index_already():
    """3,000 x 1 pixels resized to 224 rows would be 672,000 columns wide."""
    data = io.BytesIO()
    Image.new("RGB", (3000, 1)).save(data, "png")

    with pytest.raises(ImageError, match=r"p.png: 3000 x 1 pixels: one side must be at most 500"):
        decode_image(data.getvalue(), path="p.png")
    wide = io.BytesIO()
    Image.new("RGB", (3000, 6)).save(wide, "png")
    assert decode_image(wide.getvalue(), path="p.png").size == (3000, 6)


def test_whatever_a_transform_stumbles_over_names_the_file():
    class Memory:
        def read(self, path):
            data = io.BytesIO()
            Image.new("RGB", (4, 5)).save(data, "png")
            return data.getvalue()

    def greedy(image):
        raise MemoryError

    with pytest.raises(ImageError, match=r"b.png: 4 x 5 pixels cannot be transformed \(MemoryErr"):
        ImageReader(Memory(), ["a.png", "b.png"], [None, None], greedy)(1)
