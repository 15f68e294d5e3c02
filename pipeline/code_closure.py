"""Which code a stage runs, found by reading: its script and every library file behind its imports.

A fingerprint leaves comments, docstrings and blank lines out, so that explaining a line better does
not extract a million images again.
"""

import ast
import functools
import hashlib
import io
import tokenize
from pathlib import Path

from pipeline.files import file_hash

ROOT = Path(__file__).parents[1]
LIBRARY = "pipeline"


def stage_code(script: Path) -> dict[str, str]:
    """Return the files that decide what a script does, each with the SHA-256 of its effect.

    Args:
        script: A file of stages/.

    Returns:
        Paths from the root of the repository, sorted: the script, the library files it imports
        directly or through others, and the data files kept beside those.
    """
    code = {script, *(ROOT / file for file in library_files(script))}
    data = {file for path in code for file in _data_beside(path.parent)}
    digests = {path: hashlib.sha256(effective_text(path).encode()).hexdigest() for path in code}
    digests |= {path: file_hash(path) for path in data}
    return {path.relative_to(ROOT).as_posix(): digests[path] for path in sorted(digests)}


def library_files(script: Path) -> set[str]:
    """Return the library files behind a script, as paths from the root.

    Packages whose ``__init__`` is a docstring alone count for nothing: no code runs there.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for name in imported_modules(waiting.pop()):
            parts = name.split(".")
            if parts[0] != LIBRARY:
                continue
            for depth in range(2, len(parts) + 1):
                file = _module_file(".".join(parts[:depth]))
                if file and file not in found and effective_text(file):
                    found.add(file)
                    waiting.append(file)
    return {file.relative_to(ROOT).as_posix() for file in found}


@functools.cache
def imported_modules(path: Path) -> frozenset[str]:
    """Return dotted names of everything a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@functools.cache
def effective_text(path: Path) -> str:
    """Return the source without comments, docstrings, blank lines and trailing spaces.

    The text is cut, not parsed and printed anew: the same on every version of Python.
    """
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    literal: set[int] = set()  # rows inside strings of several lines, where a blank line counts
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno:
            literal |= set(range(node.lineno, node.end_lineno))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(_tree(path)):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            docstring = node.body[0]
            for row in range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1):
                lines[row - 1] = ""
                literal.discard(row)
    kept = [
        line if row in literal else line.rstrip()
        for row, line in enumerate(lines, start=1)
        if row in literal or line.strip()
    ]
    return "\n".join(kept)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _module_file(name: str) -> Path | None:
    """Return the file of a dotted name inside this repository, if there is one."""
    path = ROOT / Path(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


@functools.cache
def _data_beside(folder: Path) -> frozenset[Path]:
    """Return what a package keeps besides code, such as lists of class names."""
    if folder.parent == ROOT:
        return frozenset()
    return frozenset(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts
    )
