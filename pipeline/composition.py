"""params.yaml composed from conf/, as `dvc exp run` does it."""

import shlex
import tempfile
from pathlib import Path
from typing import Any

from dvc.utils.hydra import compose_and_dump
from hydra.errors import OverrideParseException

from pipeline.params import load_yaml


def composed(overrides: list[str]) -> dict[str, Any]:
    """Return what params.yaml would hold with these overrides; writes it nowhere.

    Raises:
        ValueError: If they do not fit conf/, or conf/ does not compose.
    """
    return load_yaml(composed_text(overrides))


def composed_text(overrides: list[str]) -> str:
    """Return the text of params.yaml, composed from conf/ of the working directory.

    Args:
        overrides: Hydra's, as ``benchmark=cifar10`` or ``methods.knn.k=[1,5]``.

    Raises:
        ValueError: If they do not fit conf/, or conf/ does not compose.
    """
    conf = str(Path("conf").resolve())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        try:
            compose_and_dump(str(path), conf, "", "config", conf, overrides)
        except Exception as error:  # Hydra's, OmegaConf's, YAML's and DVC's own kinds
            told = " with ".join(["conf/ does not compose", *filter(None, [" ".join(overrides)])])
            reason = str(error).partition("Config search path:")[0]  # Hydra's own places follow
            said = " ".join(reason.split())
            if isinstance(error, OverrideParseException):
                said += _quotes(error.override)
            raise ValueError(f"{told}: {said}") from error
        return path.read_text(encoding="utf-8")


def _quotes(override: str) -> str:
    """The cure for a value that Hydra's grammar has no word for: the shell takes one pair off."""
    key, equals, value = override.partition("=")
    if not equals:
        return ""
    inside = "…" if value.startswith(("[", "{")) else value.replace('"', '\\"')
    word = shlex.quote(f'{key}="{inside}"')
    return (
        "; a value with other signs than letters, digits and /._-:+ has quotes inside the shell's: "
        f"{word}"
    )
