"""Pictures of the report and their captions: what is seen, and which way is better."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.report.records import Records


@dataclass(frozen=True)
class Picture:
    """A figure on disk with what a reader needs to read it."""

    path: Path
    caption: str

    @property
    def alt(self) -> str:
        """What stands in place of the picture; the caption follows it anyway."""
        return self.path.stem.replace("_", " ")


CAPTIONS = {  # of the figures that show the same in every study
    "roc": (
        "ROC curves of the headline methods, ID being the positive class: the nearer to the upper "
        "left corner the better; the diagonal is chance. Where a curve meets the dotted line, the "
        "axis below it shows its fpr95."
    ),
    "attack_curves": (
        "1-NN AUROC on the surrogate while the images are crafted, before they are rounded to 8 "
        "bits, against the steps of the attack and against the size of the change that they made: "
        "the lower a curve falls, the more crafted images pass for ID."
    ),
    "score_histograms": (
        "Scores of ID (blue) and OOD images (orange), each as shares of its set, a row an OOD set "
        "and a column a headline method: farther right is more in-distribution, and where the two "
        "overlap no threshold tells them apart. mcm and msp are drawn as log-odds. The outermost "
        "bars count what lies beyond them too."
    ),
}


def captions(records: Records) -> dict[str, str]:
    """What each figure of a study shows, by its name."""
    several = len(records.scope.ood) > 1
    sets = "every mean and OOD set" if several else records.scope.ood[0]
    averaged = "Mean AUROC" if several else "AUROC"
    over = "over the OOD sets" if several else f"on {records.scope.ood[0]}"
    return CAPTIONS | {
        "accuracy_against_auroc": _scatter_caption(records),
        "mean_auroc": (
            f"{averaged} of every method {over}, the best at the top: farther right is better, the "
            "dotted line at 50 is chance. Filled points with bars are the headline backbone and "
            "its intervals, hollow ones the other backbones. Methods that do not apply to the "
            "headline backbone are not drawn."
        ),
        "auroc_by_set": (
            f"AUROC (%) of every method for {sets}: brighter is better, and everything at or below "
            "chance (50) has the darkest colour. n/a: does not apply."
        ),
        "auroc_by_backbone": (
            f"{averaged} (%) of every method on every backbone: brighter is better, and everything "
            "at or below chance (50) has the darkest colour. n/a: does not apply."
        ),
    }


def _scatter_caption(records: Records) -> str:
    """The names of its axes, and of the line only where one is drawn."""
    study = records.scope.study
    shown = "first for the mean, then for every OOD set, each panel on its own scale"
    if len(records.scope.ood) == 1:
        shown = f"on {records.scope.ood[0]}"
    line = "The line is the least-squares line of the study's CLIP backbones."
    if records.lines["r2"].is_null().all():
        line = "A line needs three or more CLIP backbones (study.clip) that differ."
    return (
        "Claim a: does a backbone that classifies ID images better also tell OOD images apart "
        f"better? {study.classifier} accuracy (farther right is better) against {study.nearest} "
        f"AUROC (higher is better), one point a backbone with its intervals, {shown}. {line}"
    )


def sheet_caption(ood: str) -> str:
    """What a contact sheet of one attacked OOD set shows."""
    return (
        f"Images of {ood} before and after the attack, evenly spaced pairs, none picked. From left "
        "to right: the OOD image; of each crafted set the image as written and its change, drawn "
        "around grey and amplified as its heading says; the ID image whose features it was pushed "
        "towards. Below: cosine to that target's features, and the 1-NN score on the surrogate, "
        "higher = more in-distribution. An attack works where the score rises and the eye sees no "
        "change of content."
    )
