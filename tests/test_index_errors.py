"""The index command ends with one line that says what is wrong, not with a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parent.parent


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """One image of each of two classes, and a file beside them."""
    for name in ("crane", "wren"):
        (tmp_path / "birds" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "birds" / name / "1.png")
    (tmp_path / "birds/LICENSE").write_text("free")
    return tmp_path


def command(folder: Path, entry: object, output: str) -> subprocess.CompletedProcess[str]:
    params = {
        "benchmark": {"id_train": "train", "id_test": "test"},
        "datasets": {"birds": entry},
        "index": {},
        "images": {},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return subprocess.run(
        [sys.executable, "-m", "stages.index", "birds", output],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OOD_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


def test_what_was_left_out_by_name_is_said(birds):
    done = command(birds, "birds", "i.parquet")

    assert done.returncode == 0, done.stderr
    assert "birds: left out by their names, as no images: 1 'license*'\n" in done.stdout


@pytest.mark.parametrize(
    ("entry", "output", "message"),
    [
        ({"path": "birds", "class_names": "none.json"}, "i.parquet", "none.json"),
        ("birds", "params.yaml/i.parquet", "params.yaml"),
        ("birds", "birds", "birds"),
    ],
)
def test_a_file_that_cannot_be_read_or_written_is_one_line(entry, output, message, birds):
    done = command(birds, entry, output)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
