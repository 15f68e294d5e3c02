"""What DVC recorded of the last runs, compared with the parameters of the next one.

That a file is there says little: two benchmarks may give one name to different images. dvc.lock
holds the parameters and inputs with which each file was made; a stage whose record agrees with the
present parameters is one that `dvc repro` will not run. What DVC's cache keeps of runs before the
last one is not looked at: a run may need less than this says, never more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.params import load_yaml

NO_EFFECT = ("expected", "expected_classes", "partial", "verify_images", "workers")  # of `index`
EXTRACTION = "data/params/extract.json"  # what check_params tells every extraction
MAKERS = {"glyphs": "render", "craft": "craft"}  # other sources are indexed


@dataclass(frozen=True)
class RecordedRuns:
    """The records of dvc.lock beside the parameters of a run to come.

    Attributes:
        stages: Entries of dvc.lock by stage.
        params: What params.yaml holds, or would hold.
    """

    stages: Mapping[str, Any]
    params: Mapping[str, Any]

    @classmethod
    def read(cls, params: Mapping[str, Any], path: Path = Path("dvc.lock")) -> "RecordedRuns":
        """Read the lock file; without one nothing is recorded."""
        if not path.is_file():
            return cls({}, params)
        lock = load_yaml(path.read_text(encoding="utf-8")) or {}
        return cls(lock.get("stages", {}), params)

    def index_is_current(self, dataset: str) -> bool:
        """Whether a data set's index is there and of these parameters."""
        entry = self.params["datasets"][dataset]
        source = entry.get("source") if isinstance(entry, Mapping) else None
        stage = f"{MAKERS.get(str(source), 'index')}@{dataset}"
        roles = self.params["benchmark"]
        compared = {f"datasets.{dataset}", "images", "index", "craft.defaults"}
        if dataset == roles["id_test"]:  # its labels are positions in the training set's classes
            compared.add(f"datasets.{roles['id_train']}")
        if not Path(_index(dataset)).is_file() or not self._agrees(stage, compared):
            return False
        if source != "craft" or not isinstance(entry, Mapping):
            return True
        surrogate = entry.get("surrogate") or self.params["craft"]["surrogate"]
        return (
            self._agrees(stage, {"benchmark.id_train"})
            and self._input(stage, f"data/weights/{surrogate}") is not None
            and self.weights_are_current(surrogate)
            and all(self.index_is_current(name) for name in (entry["ood"], roles["id_train"]))
        )

    def weights_are_current(self, backbone: str) -> bool:
        """Whether a backbone's weights are recorded here, by this entry of the backbone table."""
        entry = self.params["models"][backbone]
        kind = next((kind for kind in ("pretrain", "finetune") if entry.get(kind)), None)
        fetched = f"fetch_weights@{backbone}"
        stage = f"{kind}@{backbone}" if kind else fetched
        if stage not in self.stages:  # a backbone of local files
            stage = f"record_weights@{backbone}"
        compared = {f"models.{backbone}", *([kind] if kind else [])}
        there = Path(f"data/weights/{backbone}/weights.json").is_file()
        if not there or not self._agrees(stage, compared):
            return False
        if kind != "finetune":
            return True
        bank = self.params["benchmark"]["id_train"]
        return (
            self._input(stage, _index(bank)) is not None
            and self.index_is_current(bank)
            and self.weights_are_current(entry["finetune"]["start"])
        )

    def store_is_current(self, backbone: str, dataset: str) -> bool:
        """Whether a feature store is there and made of this index, with these weights."""
        if not Path(f"data/features/{backbone}/{dataset}.zarr").is_dir():
            return False
        stage = f"extract@{backbone}-{dataset}"
        inputs = (_index(dataset), f"data/weights/{backbone}", EXTRACTION)
        return (
            self._extraction_agrees()
            and all(self._made_last(stage, path) for path in inputs)
            and self.weights_are_current(backbone)
            and self.index_is_current(dataset)
        )

    def _extraction_agrees(self) -> bool:
        """Whether the last check left these parameters of extraction."""
        try:
            told = json.loads(Path(EXTRACTION).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return told == {name: self.params[name] for name in ("extract", "images")}

    def _agrees(self, stage: str, keys: set[str]) -> bool:
        """Whether a stage is recorded, and those of its parameters that are compared are these."""
        if stage not in self.stages:
            return False
        recorded = self.stages[stage].get("params", {}).get("params.yaml", {})
        return all(
            _effective(key, recorded[key]) == _effective(key, self._present(key))
            for key in keys & set(recorded)
        )

    def _present(self, key: str) -> Any:
        section, _, name = key.partition(".")
        value = self.params.get(section)
        return value.get(name) if name and isinstance(value, Mapping) else value

    def _input(self, stage: str, path: str) -> str | None:
        return _hash(self.stages.get(stage, {}).get("deps", []), path)

    def _made_last(self, stage: str, path: str) -> bool:
        """Whether an input of a stage is what the last run of its own stage left."""
        used = self._input(stage, path)
        return used is not None and used == self._made.get(path)

    @cached_property
    def _made(self) -> dict[str, str]:
        outs = (out for entry in self.stages.values() for out in entry.get("outs", []))
        return {out["path"]: out["md5"] for out in outs}


def _effective(key: str, value: Any) -> Any:
    """Leave out what refuses a data set, or hurries, but changes nothing in its index."""
    if key != "index" or not isinstance(value, Mapping):
        return value
    return {name: part for name, part in value.items() if name not in NO_EFFECT}


def _index(dataset: str) -> str:
    return f"data/index/{dataset}.parquet"


def _hash(files: list[dict[str, Any]], path: str) -> str | None:
    return next((file["md5"] for file in files if file["path"] == path), None)
