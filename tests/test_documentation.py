"""What README and CONTRIBUTING show of the code is the code."""

import inspect
import re

import yaml

from pipeline.code_closure import ROOT
from pipeline.scores.knn import knn_scores


def section(title: str) -> str:
    """One section of the README, up to the next heading of its level."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_way_of_the_data_names_every_stage():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

    named = set(re.findall(r"\w+", section("The way of the data")))

    assert set(stages) <= named


def test_the_examples_of_contributing_are_code_of_this_repository():
    function, example = re.findall(
        r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
    )

    assert function == inspect.getsource(knn_scores)
    assert example in (ROOT / "tests/test_metrics.py").read_text(encoding="utf-8")
