"""A stage that cannot go on says so in one line; a bug of ours keeps its traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.backbones.checkpoints import WeightsError
from pipeline.code_closure import ROOT
from pipeline.sources import SourceError
from pipeline.stage import run_stage

OWN_ENDS = ("__init__", "extract")  # the latter's statuses tell DVC and a person more than 1
SCRIPTS = sorted(p for p in (ROOT / "stages").glob("*.py") if p.stem not in OWN_ENDS)


def failing(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("k must be at least 1, got 0"), "error: k must be at least 1, got 0"),
        (KeyError("unknown name 'grek' in x"), "error: unknown name 'grek' in x"),
        (SourceError("no such folder"), "error: no such folder"),
        (WeightsError("no weights"), "error: no weights"),
        (RuntimeError("CUDA out of memory"), "error: CUDA out of memory"),
        (FloatingPointError("overflow"), "error: overflow"),
        (RuntimeError(), "error: RuntimeError"),
        (
            FileNotFoundError(2, "No such file or directory", "data/x"),
            "error: [Errno 2] No such file or directory: 'data/x'",
        ),
    ],
)
def test_an_error_is_one_line_and_status_1(error, line):
    with pytest.raises(SystemExit) as raised:
        run_stage(failing(error))

    assert raised.value.code == line  # Python prints a text to stderr and exits with 1


def test_notes_follow_the_message():
    error = ValueError("row 3 is zero")
    error.add_note("rows are counted from row 1000 of the bank")

    with pytest.raises(SystemExit, match="^error: row 3 is zero; rows are counted from row 1000"):
        run_stage(failing(error))


@pytest.mark.parametrize(
    "error",
    [
        TypeError("a"),
        AssertionError(),
        AttributeError("a"),
        IndexError("a"),
        KeyError("pretrain"),
        KeyError(3),
        NotImplementedError(),
        RecursionError("too deep to go on"),
    ],
)
def test_a_mistake_of_the_code_is_not_hidden(error):
    with pytest.raises(type(error)):
        run_stage(failing(error))


def test_a_stage_that_ends_well_says_nothing(capsys):
    run_stage(lambda: None)

    assert capsys.readouterr() == ("", "")


def test_a_status_of_its_own_is_kept():
    with pytest.raises(SystemExit) as raised:
        run_stage(failing(SystemExit(130)))

    assert raised.value.code == 130


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_ends_by_one_rule(script: Path):
    last = script.read_text(encoding="utf-8").splitlines()[-2:]

    assert last == ['if __name__ == "__main__":', "    run_stage(main)"]


def test_a_missing_input_is_one_line_of_the_stage(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "stages.study", "reports"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "error: [Errno 2] No such file or directory: 'params.yaml'\n"
