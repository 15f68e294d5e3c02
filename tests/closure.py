"""Which files of the library a script imports, directly or through others, found by reading."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported_modules(path: Path) -> set[str]:
    """Return dotted names of everything a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_file(name: str) -> Path | None:
    """Return the file of a dotted name inside this repository, if there is one."""
    path = ROOT / Path(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def is_docstring(path: Path) -> bool:
    """Tell whether a file holds nothing but a docstring."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return len(body) == 1 and isinstance(body[0], ast.Expr)


def library_files(script: Path) -> set[str]:
    """Return the library files behind a script, as paths from the root.

    Packages whose ``__init__`` is a docstring alone count for nothing: no code runs there.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for name in imported_modules(waiting.pop()):
            if not name.startswith("pipeline."):
                continue
            parts = name.split(".")
            for depth in range(2, len(parts) + 1):
                file = module_file(".".join(parts[:depth]))
                if file and file not in found and not is_docstring(file):
                    found.add(file)
                    waiting.append(file)
    return {file.relative_to(ROOT).as_posix() for file in found}
