"""Fingerprints of the code behind a stage: what changes them and what does not."""

import json
import subprocess
import sys

import pytest

from pipeline.code_closure import ROOT, effective_text, library_files, stage_code

SOURCE = '''"""Says what it is."""

import math  # a comment


def area(radius: float) -> float:
    """Of a disc."""

    # pi r squared
    return math.pi * radius**2


PAGE = """

# no comment, but text
  """
'''


@pytest.fixture
def effect(tmp_path):
    """Return what counts of a source text."""

    def measure(source: str) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"  # the function remembers paths
        path.write_text(source)
        return effective_text(path)

    return measure


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Says what it is.", "Says it better.\\n\\nAt length."),
        ("  # a comment", ""),
        ("    # pi r squared\n", "\n\n"),
        ("Of a disc.", "Of a disc of any size."),
        ("**2\n", "**2   \n"),
    ],
)
def test_explaining_code_better_changes_nothing(effect, old, new):
    assert old in SOURCE
    assert effect(SOURCE.replace(old, new)) == effect(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**2", "**3"),
        ('"""\n\n# no', '"""\n# no'),  # a blank line inside a string
        ("# no comment, but text", "# text"),
        ('  """\n', '"""\n'),
        ("float) -> float", "int) -> float"),
    ],
)
def test_whatever_the_interpreter_sees_counts(effect, old, new):
    assert old in SOURCE
    assert effect(SOURCE.replace(old, new)) != effect(SOURCE)


def test_what_counts_of_the_library_still_compiles_to_the_same_code():
    """Cut by hand, so compared with the interpreter: same syntax tree but for docstrings."""
    import ast

    def without_docstrings(source: str) -> str:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(
                node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ) and ast.get_docstring(node, clean=False):
                node.body = node.body[1:]
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.body:
                node.body = [ast.Pass()]
        return ast.dump(tree)

    for path in (ROOT / "stages").glob("*.py"):
        assert without_docstrings(effective_text(path)) == without_docstrings(path.read_text())


def test_a_stage_runs_what_it_imports_through_others():
    files = library_files(ROOT / "stages/score.py")

    assert "pipeline/scores/mcm.py" in files  # through pipeline.scores
    assert "pipeline/storage/manifest.py" in files  # through the store
    assert not any(file.startswith("pipeline/extraction") for file in files)


def test_lists_beside_the_code_count():
    assert "pipeline/language/names/cifar10.txt" in stage_code(ROOT / "stages/encode_text.py")


def test_the_stage_writes_one_file_a_script(tmp_path):
    outputs = [tmp_path / "code/score.json", tmp_path / "code/extract.json"]
    command = [sys.executable, "-m", "stages.fingerprint_code", *map(str, outputs)]
    subprocess.run(command, cwd=ROOT, check=True)

    for output in outputs:
        files = json.loads(output.read_text())
        assert files == stage_code(ROOT / f"stages/{output.stem}.py")
        assert f"stages/{output.stem}.py" in files


def test_an_unknown_stage_is_named(tmp_path):
    command = [sys.executable, "-m", "stages.fingerprint_code", str(tmp_path / "scroe.json")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert "no stage 'scroe'; known: accuracy," in result.stderr
