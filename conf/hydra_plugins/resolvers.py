"""Words that conf/ may use in interpolations; Hydra finds this file by its place.

DVC composes params.yaml from conf/ (`dvc config hydra.plugins_path conf`). These resolvers derive
the lists that drive the matrices of dvc.yaml, so that a data set or a backbone is named once.
"""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

MADE_HERE = ("glyphs", "craft")  # sources whose images a stage makes


def backbones(backbone: str, family: ListConfig, models: DictConfig) -> ListConfig:
    """Return the headline backbone and its study's family, each once.

    Raises:
        ValueError: If a name is not in the backbone table.
    """
    names = list(dict.fromkeys([backbone, *family]))
    for name in names:
        if name not in models:
            raise ValueError(
                f"unknown backbone '{name}'; known: {', '.join(sorted(models))} "
                "(the table is conf/models/*.yaml)"
            )
    return ListConfig(names)


def datasets(table: DictConfig, kind: str) -> ListConfig:
    """Return the names of data sets that are rendered, crafted or read from disk."""
    sources = {name: "folder" if isinstance(e, str) else e.source for name, e in table.items()}
    wanted = {
        "rendered": lambda source: source == "glyphs",
        "crafted": lambda source: source == "craft",
        "indexed": lambda source: source not in MADE_HERE,
    }[kind]
    return ListConfig([name for name, source in sources.items() if wanted(source)])


def without(names: ListConfig, *left_out: Any) -> ListConfig:
    """Return the names that are not among those left out."""
    gone = {n for item in left_out for n in ([item] if isinstance(item, str) else item)}
    return ListConfig([name for name in names if name not in gone])


def weights(names: ListConfig, models: DictConfig, kind: str) -> ListConfig:
    """Return the backbones whose weights are pretrained here, fine-tuned here, or fetched."""

    def origin(name: str) -> str:
        entry = models[name]
        return next((key for key in ("pretrain", "finetune") if entry.get(key)), "fetch")

    return ListConfig([name for name in names if origin(name) == kind])


for resolver in (backbones, datasets, without, weights):
    OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
