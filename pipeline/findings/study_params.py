"""Section ``study`` of params.yaml."""

from dataclasses import dataclass, field

from pipeline.classifier_names import KNN


@dataclass(frozen=True)
class StudyParams:
    """Section ``study``.

    Attributes:
        family: Backbones computed besides the headline one.
        clip: CLIP models without fine-tuning, the points of claim a.
        finetuned: For claim c, the fine-tuned counterpart of a CLIP backbone.
        classifier: Whose ID accuracy claim a takes.
        nearest: The unsupervised score of claims a, d and e.
        plp: Scores of the PLP head, compared with `mcm` in claim b.
        mcm: The zero-shot score of claim b.
        probe: Scores of the LP head, each compared with its namesake of claim c.
        finetuned_scores: Scores of the fine-tuned classifier, in the order of `probe`.
        means: Means of the benchmark that claims a to c are judged over, each a reading of the
            paper's; every mean if none is named.
    """

    family: list[str]
    clip: list[str]
    finetuned: dict[str, str] = field(default_factory=dict)
    classifier: str = KNN
    nearest: str = "knn_1"
    plp: tuple[str, ...] = ("plp_msp", "plp_energy")
    mcm: str = "mcm"
    probe: tuple[str, ...] = ("lp_msp", "lp_energy")
    finetuned_scores: tuple[str, ...] = ("ft_msp", "ft_energy")
    means: tuple[str, ...] = ()
