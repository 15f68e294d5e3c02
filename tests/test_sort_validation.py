"""A flat validation folder becomes class folders, by either form of the ground truth."""

from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.sources import open_source, read_spec
from stages.sort_validation import NAME, run

TENCH, GOLDFISH, WHITE_SHARK = "n01440764", "n01443537", "n01484850"
SMALL: dict[str, Any] = {"images": 4, "classes": 2}


@pytest.fixture
def flat(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(1, 5):
        (folder / NAME.format(number)).write_bytes(b"x")
    return folder


@pytest.fixture
def truth(tmp_path):
    def write(*lines):
        (tmp_path / "truth.txt").write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / "truth.txt"

    return write


def listed(folder):
    source = open_source(read_spec("val", {"path": str(folder)}))
    return [(entry.path, entry.class_key) for entry in source.entries()]


def test_wordnet_ids(flat, truth, tmp_path):
    run(flat, truth(GOLDFISH, TENCH, GOLDFISH, TENCH), tmp_path / "val", **SMALL)

    assert listed(tmp_path / "val") == [
        (f"{TENCH}/{NAME.format(2)}", TENCH),
        (f"{TENCH}/{NAME.format(4)}", TENCH),
        (f"{GOLDFISH}/{NAME.format(1)}", GOLDFISH),
        (f"{GOLDFISH}/{NAME.format(3)}", GOLDFISH),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        # Kaggle's LOC_val_solution.csv, in an order of its own: boxes are numbers after the class
        [
            "ImageId,PredictionString",
            *(f"ILSVRC2012_val_0000000{n},{TENCH} 1 2 3 4 {TENCH} 5 6 7 8 " for n in (4, 2)),
            *(f"ILSVRC2012_val_0000000{n},{GOLDFISH} 1 2 3 4 " for n in (1, 3)),
        ],
        [
            f"val/ILSVRC2012_val_0000000{n}.JPEG {GOLDFISH if n % 2 else TENCH}"
            for n in (3, 2, 1, 4)
        ],
    ],
)
def test_lines_of_a_name_and_a_class(lines, flat, truth, tmp_path):
    """They used to be counted as words: 'must have 50000 lines, got 250001'."""
    run(flat, truth(*lines), tmp_path / "val", **SMALL)

    assert [key for _, key in listed(tmp_path / "val")] == [TENCH, TENCH, GOLDFISH, GOLDFISH]


def test_numbers_from_0_are_no_class_numbers_of_the_development_kit(flat, truth, tmp_path):
    """As Caffe's val.txt, whose numbers are places in the sorted ids."""
    lines = [f"{NAME.format(number)} {number % 2}" for number in range(1, 5)]

    with pytest.raises(ValueError, match="holds the number 0: .*classes=imagenet1k, with the flat"):
        run(flat, truth(*lines), tmp_path / "val", **SMALL)


def test_class_numbers_of_the_development_kit(flat, truth, tmp_path):
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
    synsets = np.array([(1, WHITE_SHARK, 0), (2, TENCH, 0), (3, "n00001740", 2)], dtype=kind)
    savemat(tmp_path / "meta.mat", {"synsets": synsets.reshape(-1, 1)})

    run(flat, truth(1, 2, 2, 1), tmp_path / "val", meta=tmp_path / "meta.mat", **SMALL)

    assert [key for _, key in listed(tmp_path / "val")] == [TENCH, TENCH, WHITE_SHARK, WHITE_SHARK]


@pytest.mark.parametrize("content", [b"", b"no MATLAB file at all" * 20, None])
def test_a_file_that_is_not_the_development_kits_is_refused(content, flat, truth, tmp_path):
    savemat(tmp_path / "meta.mat", {"other": np.zeros(3)})
    if content is not None:
        (tmp_path / "meta.mat").write_bytes(content)

    with pytest.raises(ValueError, match=r"meta\.mat' must be ILSVRC2012_devkit_t12"):
        run(flat, truth(1, 2, 2, 1), tmp_path / "val", meta=tmp_path / "meta.mat", **SMALL)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([TENCH, GOLDFISH], "must have one line for each of the 4 images, got 2"),
        ([1, 2, 2, 1], "give --meta"),
        ([TENCH, "../../evil", GOLDFISH, TENCH], r"1 are none, the first is '\.\./\.\./evil'"),
        ([TENCH, "n00000001", "n00000002", TENCH], "2 are none, the first is 'n00000001'"),
        ([TENCH, GOLDFISH, WHITE_SHARK, TENCH], "must tell 2 classes, got 3 in 4 lines"),
        ([TENCH] * 4, "must tell 2 classes, got 1 in 4 lines"),
        ([TENCH, GOLDFISH, TENCH, TENCH], f"each class 2 images; 2 .*{TENCH} with 3"),
    ],
)
def test_a_ground_truth_that_is_not_imagenets_is_refused_before_anything_is_made(
    lines, message, flat, truth, tmp_path
):
    path = truth(*lines)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ValueError, match=message):
        run(flat, path, tmp_path / "new/below/val", **SMALL)

    assert sorted(tmp_path.rglob("*")) == before


def test_missing_images_and_existing_folders_are_named(flat, truth, tmp_path):
    path = truth(TENCH, GOLDFISH, GOLDFISH, TENCH)
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        run(flat, path, tmp_path / "val", **SMALL)
    (flat / NAME.format(3)).unlink()
    with pytest.raises(ValueError, match="1 of 4 images are not in .*00000003"):
        run(flat, path, tmp_path / "new", **SMALL)
