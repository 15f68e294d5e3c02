"""The schema of params.yaml: every section and the frozen dataclass that its stages load."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.attacks.craft_params import CraftParams
from pipeline.datasets.images import ImageParams
from pipeline.detectors.fitting import FitParams
from pipeline.duplicates.params import DuplicateParams
from pipeline.extraction.extract_params import ExtractParams
from pipeline.findings.study_params import StudyParams
from pipeline.glyph_world.pretraining_params import PretrainParams
from pipeline.indexing.indexing import IndexParams
from pipeline.language.text_params import TextParams
from pipeline.param_checks.benchmark_params import BenchmarkParams, MatrixParams
from pipeline.report.report_params import ReportParams
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.training.finetune_recipe import FinetuneRecipe
from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.pseudo_labels import PseudoLabelParams


@dataclass(frozen=True)
class Params:
    """All of params.yaml.

    The three tables ``datasets``, ``models`` and ``methods`` have a schema for each kind of entry:
    `pipeline.param_checks.dataset_entries`, `model_entries` and `method_names`.
    """

    backbone: str
    backbones: list[str]
    data_root: str | None
    fixed_sets: list[str] | Literal["all"]
    index: IndexParams
    images: ImageParams
    extract: ExtractParams
    duplicates: DuplicateParams
    evaluate: EvaluateParams
    matrix: MatrixParams
    pretrain: PretrainParams
    models: dict[str, dict[str, Any]]
    methods: dict[str, Any]
    fit: FitParams
    text: TextParams
    pseudo_label: PseudoLabelParams
    probe: ProbeParams
    finetune: FinetuneRecipe
    craft: CraftParams
    report: ReportParams
    study: StudyParams
    datasets: dict[str, Any]
    benchmark: BenchmarkParams
