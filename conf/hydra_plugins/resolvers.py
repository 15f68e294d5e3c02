"""Words that conf/ may use in interpolations; Hydra finds this file by its place.

DVC composes params.yaml from conf/ (`dvc config hydra.plugins_path conf`). These resolvers derive
the lists that drive the matrices of dvc.yaml, so that a data set or a backbone is named once.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict


def _known(name: str, models: DictConfig) -> str:
    if name not in models:
        raise ValueError(
            f"unknown backbone '{name}'; known: {', '.join(sorted(models))} "
            "(the table is conf/models/*.yaml)"
        )
    return name


def backbones(
    backbone: str, family: ListConfig, models: DictConfig, surrogates: DictConfig, surrogate: str
) -> ListConfig:
    """Return the headline, its study's family and the ones these need, in the table's order.

    A fine-tuned backbone needs the one it starts from, crafted sets need theirs. The order says
    nothing of the headline, so that switching it within the family leaves the study as it is. All
    other entries leave the table, so that params.yaml holds what the run uses: DVC reads that file
    anew for every stage.

    Raises:
        ValueError: If a name is not in the backbone table.
    """
    attacked = [item.backbone for item in surrogates.values()]
    attacked += [surrogate] if surrogates else []  # of its pictures
    names = [_known(name, models) for name in dict.fromkeys([backbone, *family, *attacked])]
    starts = [_known(models[name].finetune.start, models) for name in _finetuned(names, models)]
    used = [name for name in models if name in {*names, *starts}]
    with open_dict(models):
        for name in set(models) - set(used):
            del models[name]
    return ListConfig(used)


def _finetuned(names: Any, models: DictConfig) -> list[str]:
    return [name for name in names if models[name].get("finetune")]


def starts(names: ListConfig, models: DictConfig) -> DictConfig:
    """Return the fine-tuned backbones, each with the backbone it starts from."""
    return DictConfig({name: models[name].finetune.start for name in _finetuned(names, models)})


def weights(names: ListConfig, models: DictConfig, kind: str) -> ListConfig:
    """Return the backbones whose weights are pretrained here, fetched, or local files."""
    return ListConfig([name for name in names if _origin(models[name]) == kind])


def _origin(entry: DictConfig) -> str:
    for key in ("pretrain", "finetune"):
        if entry.get(key):
            return key
    local = entry.get("loader") == "features" or entry.get("checkpoint") or entry.get("config")
    return "record" if local else "fetch"


def reference(backbone: str, family: ListConfig) -> str:
    """Return a backbone that a switch of the headline leaves the same."""
    return family[-1] if family else backbone


def datasets(table: DictConfig, kind: str) -> ListConfig:
    """Return the names of data sets that are rendered, crafted or read from disk."""
    sources = {
        name: "folder" if isinstance(e, str) else e.get("source", "folder")
        for name, e in table.items()
    }
    of_kind = {"rendered": {"glyphs"}, "crafted": {"craft"}}
    made_here = set.union(*of_kind.values())
    return ListConfig(
        [
            name
            for name, source in sources.items()
            if (source in of_kind[kind] if kind in of_kind else source not in made_here)
        ]
    )


def if_any(names: ListConfig, item: str) -> ListConfig:
    """Return the item, if there is any name: for a stage that looks at all of them at once."""
    return ListConfig([item] if names else [])


def own_file(name: Any) -> str:
    """Return the path of a user's own list of names; params.yaml, where the list is no file."""
    return name if isinstance(name, str) and Path(name).is_file() else "params.yaml"


def surrogates(crafted: ListConfig, table: DictConfig, craft: DictConfig, bank: str) -> DictConfig:
    """Return the crafted data sets, each with the backbone it is crafted on and what that needs.

    An attack depends on heads, text or features only where its target is made of them, so that
    training other heads crafts nothing anew. Where it needs none, the bank's index stands twice.
    """
    return DictConfig({name: _attack(table[name], craft, bank) for name in crafted})


def _attack(entry: DictConfig, craft: DictConfig, bank: str) -> dict[str, str]:
    backbone = entry.get("surrogate") or craft.surrogate
    store = f"--bank-store data/features/{backbone}/{bank}.zarr"
    option = {
        "class_text": f"--text data/text/{backbone}.zarr",
        "probe": f"--heads data/heads/{backbone}",
        "nearest": store,
        "class_mean": store,
    }.get(entry.get("target") or craft.defaults.get("target"), "")
    needs = option.partition(" ")[2] or f"data/index/{bank}.parquet"
    return {"backbone": backbone, "option": option, "needs": needs}


def pictured(crafted: ListConfig, benchmark: DictConfig) -> ListConfig:
    """Return the OOD set whose attack is drawn, if there is one."""
    return ListConfig([benchmark.attacked] if crafted else [])


def without(names: ListConfig, *left_out: Any) -> ListConfig:
    """Return the names that are not among those left out."""
    gone = {n for item in left_out for n in ([item] if isinstance(item, str) else item)}
    return ListConfig([name for name in names if name not in gone])


def under(folder: str, names: ListConfig, suffix: str) -> ListConfig:
    """Return the paths ``<folder>/<name><suffix>``."""
    return ListConfig([f"{folder}/{name}{suffix}" for name in names])


RESOLVERS = (
    backbones, datasets, if_any, own_file, pictured, reference, starts, surrogates, under, weights,
    without,
)  # fmt: skip
for resolver in RESOLVERS:
    OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
