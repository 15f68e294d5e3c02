"""A flat validation folder becomes class folders, by either form of the ground truth."""

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.sources import open_source, read_spec
from stages.sort_validation import NAME, run


@pytest.fixture
def flat(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(1, 5):
        (folder / NAME.format(number)).write_bytes(b"x")
    return folder


def listed(folder):
    source = open_source(read_spec("val", {"path": str(folder)}))
    return [(entry.path, entry.class_key) for entry in source.entries()]


def test_wordnet_ids(flat, tmp_path):
    (tmp_path / "truth.txt").write_text("n02\nn01\nn02\nn01\n")
    assert run(flat, tmp_path / "truth.txt", tmp_path / "val", images=4) == 2
    assert listed(tmp_path / "val") == [
        (f"n01/{NAME.format(2)}", "n01"),
        (f"n01/{NAME.format(4)}", "n01"),
        (f"n02/{NAME.format(1)}", "n02"),
        (f"n02/{NAME.format(3)}", "n02"),
    ]


def test_class_numbers_of_the_development_kit(flat, tmp_path):
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
    synsets = np.array([(1, "n09", 0), (2, "n03", 0), (3, "n00", 2)], dtype=kind)
    savemat(tmp_path / "meta.mat", {"synsets": synsets.reshape(-1, 1)})
    (tmp_path / "truth.txt").write_text("1\n2\n2\n1\n")
    run(flat, tmp_path / "truth.txt", tmp_path / "val", meta=tmp_path / "meta.mat", images=4)
    assert [key for _, key in listed(tmp_path / "val")] == ["n03", "n03", "n09", "n09"]


@pytest.mark.parametrize(
    ("truth", "message"),
    [("n1 n2", "must have 4 lines, got 2"), ("1 2 3 4", "give --meta")],
)
def test_what_does_not_fit_is_refused(flat, tmp_path, truth, message):
    (tmp_path / "truth.txt").write_text("\n".join(truth.split()))
    with pytest.raises(ValueError, match=message):
        run(flat, tmp_path / "truth.txt", tmp_path / "val", images=4)


def test_missing_images_and_existing_folders_are_named(flat, tmp_path):
    (tmp_path / "truth.txt").write_text("n1\nn1\nn1\nn1\n")
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        run(flat, tmp_path / "truth.txt", tmp_path / "val", images=4)
    (flat / NAME.format(3)).unlink()
    with pytest.raises(ValueError, match="1 of 4 images are not in .*00000003"):
        run(flat, tmp_path / "truth.txt", tmp_path / "new", images=4)
