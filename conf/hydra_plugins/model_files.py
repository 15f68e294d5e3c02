"""Every file of conf/models/ is read, one of your own without being named; Hydra finds this file.

Hydra reads only what a list of defaults names. Here all files of the folder become one more
configuration of its group, `models/every_file`, which conf/config.yaml names last.
"""

from collections.abc import Iterable
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

FOLDER = Path(__file__).parents[1] / "models"


def every_file(paths: Iterable[Path]) -> DictConfig:
    """Return the content of all files, each of them with a table ``models``.

    Raises:
        ValueError: If one has no such table, or two files have a backbone of one name.
    """
    whole = OmegaConf.create()
    origin: dict[str, str] = {}
    for path in paths:
        content = OmegaConf.load(path)
        told = f"conf/models/{path.name}"
        if not isinstance(content, DictConfig) or not isinstance(content.get("models"), DictConfig):
            raise ValueError(
                f"{told} must have its backbones below the line `models:`, as the files beside it"
            )
        for name in map(str, content.models):
            if name in origin:
                raise ValueError(
                    f"backbone names must be unique, but '{name}' stands in {origin[name]} and "
                    f"{told}; rename one of them"
                )
            origin[name] = told
        whole = OmegaConf.merge(whole, content)
    assert isinstance(whole, DictConfig)
    return whole


ConfigStore.instance().store(
    group="models",
    name="every_file",
    node=every_file(sorted(path for path in FOLDER.glob("*.yaml") if path.name[0] != ".")),
    package="_global_",
)
