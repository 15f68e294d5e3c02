"""SVHN's MATLAB file: what it holds is checked, and each other form is refused with the cure."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.sources import SourceError, open_source, read_spec

PIXELS = np.zeros((4, 4, 3, 2), np.uint8)
LABELS = np.array([[10], [3]])


def entries(path: Path) -> list[str]:
    source = open_source(read_spec("svhn", {"source": "mat", "path": str(path)}))
    return [entry.class_key for entry in source.entries()]


def test_the_digit_zero_is_written_as_ten(tmp_path):
    savemat(tmp_path / "a.mat", {"X": PIXELS, "y": LABELS})

    assert entries(tmp_path / "a.mat") == ["0", "3"]


def test_version_7_3_is_refused_with_the_cure(tmp_path):
    """By its header: 124 bytes of text, then the version 0x0200, little-endian."""
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124)
    (tmp_path / "a.mat").write_bytes(text + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(600))

    with pytest.raises(SourceError, match=r"a\.mat' is a MATLAB file of version 7\.3.*'-v7'"):
        entries(tmp_path / "a.mat")


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>" * 40, b"short"])
def test_what_is_no_matlab_file_is_refused(data, tmp_path):
    (tmp_path / "a.mat").write_bytes(data)

    with pytest.raises(SourceError, match=r"a\.mat' is no readable MATLAB file .*get it again"):
        entries(tmp_path / "a.mat")


def test_a_file_that_was_cut_anywhere_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    for compressed in (True, False):
        savemat(
            tmp_path / "whole.mat", {"X": noise, "y": np.arange(1, 6)}, do_compression=compressed
        )
        whole = (tmp_path / "whole.mat").read_bytes()
        for cut in (60, 130, 200, len(whole) // 2, len(whole) - 40):
            path = tmp_path / f"cut_{compressed}_{cut}.mat"
            path.write_bytes(whole[:cut])
            with pytest.raises(SourceError, match=rf"{path.name}'"):
                entries(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": PIXELS}, "it lacks X and holds nothing else of them"),
        ({"X": PIXELS}, "it lacks y and holds X"),
        ({"X": PIXELS[..., 0], "y": LABELS}, r"bytes \[h w 3 n\], got uint8 \[4, 4, 3\]"),
        ({"X": PIXELS / 255, "y": LABELS}, r"bytes .* got float64 \[4, 4, 3, 2\]"),
        ({"X": PIXELS, "y": LABELS[:1]}, "2 images and 1 labels"),
        ({"X": PIXELS, "y": LABELS * 2}, "y from 1 to 10"),
    ],
)
def test_arrays_of_another_form_are_refused(content, message, tmp_path):
    savemat(tmp_path / "a.mat", content)

    with pytest.raises(SourceError, match=message):
        entries(tmp_path / "a.mat")
