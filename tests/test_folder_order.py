"""The folders of pipeline/ have an order: each imports those before it, and none after it.

Read from the top it is the way of an image: from a file to an index, to features, to what is
trained and fitted on them, to scores, and to what is said of those. What lies at the root of
pipeline/ serves them all and knows none.
"""

import graphlib
from pathlib import Path

import pytest

from pipeline.code_closure import LIBRARY, ROOT, imported_modules

ORDER = (
    "storage",  # stores of rows on disk
    "language",  # class names, prompts, negative words
    "glyph_world",  # the embedded benchmark's pictures and captions
    "backbones",  # which models there are, their weights, towers and transforms
    "sources",  # images and arrays where users keep them
    "datasets",  # images decoded, and the index of a set
    "fetching",  # what can be downloaded, into the places that sources name
    "indexing",  # a source read into an index
    "extraction",  # an index and a backbone, to features
    "training",  # heads and pseudo-labels on features, and fine-tuned towers
    "detectors",  # what is fitted on the bank
    "scores",  # one number an image, by a detector
    "statistics",  # metrics of scores, and how sure they are
    "scoring",  # all scores of a set, and of photos
    "duplicates",  # the same image twice
    "attacks",  # images crafted against a detector, and what they do to it
    "findings",  # what several evaluations say together
    "report",  # findings as text, tables and figures
    "param_checks",  # every section of params.yaml, read before anything runs
    "planning",  # what a run will need, and what would stop it
)
FILES = sorted((ROOT / LIBRARY).rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
}


def folder(name: str) -> str | None:
    """The folder of a module of the library; None at its root or outside of it."""
    library, inner, *_ = [*name.split("."), "", ""]
    return inner if library == LIBRARY and (ROOT / LIBRARY / inner).is_dir() and inner else None


def test_the_order_names_every_folder_once():
    folders = {path.parent.name for path in FILES} - {LIBRARY}
    assert sorted(ORDER) == sorted(folders)


@pytest.mark.parametrize("at", range(len(ORDER)), ids=ORDER)
def test_a_folder_imports_none_that_comes_after_it(at: int):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        if path.parent.name == ORDER[at]
        for name in imported_modules(path)
        if folder(name) in ORDER[at + 1 :]
    }
    assert not wrong, f"{sorted(wrong)}: move what both need to a folder before {ORDER[at]}"


def test_modules_at_the_root_import_no_folder():
    wrong = {
        f"{path.name} imports {name}"
        for path in (ROOT / LIBRARY).glob("*.py")
        for name in imported_modules(path)
        if folder(name)
    }
    assert not wrong, f"{sorted(wrong)}: what needs a folder belongs into one"


def modules_of(path: Path) -> set[str]:
    """Modules of the library that one imports; of a package and its part, the part alone."""
    names = imported_modules(path) & set(MODULES)
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)}


def test_no_modules_import_each_other():
    """Not inside functions either: a circle is two modules that are one, or lack a third."""
    graph = {name: modules_of(path) for name, path in MODULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
