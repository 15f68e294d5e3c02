"""A stage that cannot go on says so in one line; a bug of ours keeps its traceback."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.backbones.checkpoints import WeightsError
from pipeline.code_closure import ROOT
from pipeline.sources import SourceError
from pipeline.stage import run_stage

SCRIPTS = sorted(p for p in (ROOT / "stages").glob("*.py") if p.stem != "__init__")


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
    test, last = script.read_text(encoding="utf-8").splitlines()[-2:]

    assert test == 'if __name__ == "__main__":'
    assert re.fullmatch(r"    run_stage\(main(, (kept|memory)=.+)*\)", last)


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("", "what was not finished is not kept, run the same command again"),
        ("finished epochs are kept", "finished epochs are kept"),
    ],
)
def test_a_signal_ends_a_stage_with_its_status_and_says_what_is_kept(
    tmp_path, sent, status, word, kept, told
):
    os.mkfifo(tmp_path / "params.yaml")
    code = (
        "from pipeline.params import read_params\n"
        "from pipeline.stage import run_stage\n"
        f"run_stage(read_params, kept={kept!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts what it runs in the background with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with (tmp_path / "params.yaml").open("w"):  # opens when the process reads, which then waits
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)

    assert errors == f"{word}; {told}\n"
    assert process.returncode == status


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "data/x"),
            "error: the disk is full at data/x (No space left on device); free some space; "
            "images are kept",
        ),
        (MemoryError(), "error: MemoryError; lower the batch; images are kept"),
        (
            RuntimeError("CUDA out of memory."),
            "error: CUDA out of memory.; lower the batch; images are kept",
        ),
    ],
)
def test_too_little_disk_or_memory_is_told_with_the_cure(error, line):
    with pytest.raises(SystemExit) as raised:
        run_stage(failing(error), kept="images are kept", memory="lower the batch")

    assert raised.value.code == line


def test_what_is_kept_is_told_of_what_was_being_done():
    """A stage that imports or encodes keeps images only where it encodes."""

    def main():
        run_stage(failing(OSError(errno.ENOSPC, "full", "d")), kept="images are kept")

    with pytest.raises(SystemExit) as raised:
        run_stage(main)

    assert (
        raised.value.code == "error: the disk is full at d (full); free some space; images are kept"
    )


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
