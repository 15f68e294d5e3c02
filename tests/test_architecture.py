"""House rules, found by reading the code and dvc.yaml, not by running them."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from pipeline.code_closure import ROOT, imported_modules, library_files

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SCRIPTS = {path.stem: path for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__"}
COMMANDS = {
    "compare_sets",
    "compose",
    "fetch",
    "mend_lock",
    "plan",
    "readme",
    "score_images",
    "sort_validation",
    "verify",
}  # run by hand, not by DVC
CODE = ("pipeline", "stages")
HEAVY = {"torch", "open_clip", "timm", "torchvision", "faiss", "matplotlib"}

OURS = ("pipeline", "stages", "benchmarks")


def entry(name: str) -> dict:
    """The body of a stage, inside its foreach if it has one."""
    return PIPELINE[name].get("do", PIPELINE[name])


def section(value: str) -> str:
    """First part of a params path: the section of params.yaml."""
    return value.split(".")[0]


def test_every_stage_has_a_script_and_every_script_is_a_stage_or_a_command():
    assert set(SCRIPTS) == set(PIPELINE) | COMMANDS
    for name in PIPELINE:
        assert f"python -m stages.{name}" in entry(name)["cmd"]


@pytest.mark.parametrize("name", sorted(set(PIPELINE) - {"fingerprint_code"}))
def test_a_stage_depends_on_the_code_it_runs(name):
    """DVC reruns a stage when the fingerprint of its code changes, which a stage writes first."""
    code = [dep for dep in entry(name)["deps"] if dep.startswith(("data/code", *CODE))]

    assert code == [f"data/code/{name}.json"]
    assert code[0] in PIPELINE["fingerprint_code"]["outs"]


def test_fingerprints_are_made_from_all_code():
    assert PIPELINE["fingerprint_code"]["deps"] == list(CODE)
    outs = {Path(out).stem for out in PIPELINE["fingerprint_code"]["outs"]}
    assert outs == set(PIPELINE) - {"fingerprint_code"}


@pytest.mark.parametrize("name", PIPELINE)
def test_a_stage_declares_the_parameters_it_reads(name):
    """Sections named in load_params and read_section stand under `params` or in a file."""
    text = SCRIPTS[name].read_text(encoding="utf-8")
    calls = re.findall(r'(?:load_params|read_section)\(\s*f?"([\w.]+)([^()]*)', text)
    read = {section(path) for path, rest in calls if "path=" not in rest}

    declared = {section(value) for value in entry(name).get("params", [])}

    assert read <= declared, f"stage {name} reads {sorted(read - declared)} undeclared"


@pytest.mark.parametrize("name", PIPELINE)
def test_paths_of_a_command_are_its_dependencies_or_outputs(name):
    """No stage reads or writes data that DVC does not know."""
    body = entry(name)
    outs = [
        next(iter(out)) if isinstance(out, dict) else out
        for kind in ("outs", "metrics", "plots")
        for out in body.get(kind, [])
    ]
    known = [*body["deps"], *outs]
    for word in body["cmd"].split():
        if word.startswith(("data/", "reports/")):
            assert word in known or any(word.startswith(f"{path}/") for path in known), word


@pytest.mark.parametrize("name", PIPELINE)
def test_no_stage_depends_on_a_folder_of_several_cached_outputs(name):
    """A partial pull would run on half of the data; fan-in goes over records in git."""
    for dep in entry(name)["deps"]:
        if dep.startswith("data/"):
            assert dep.count("/") >= 2, f"{name} depends on the parent folder {dep}"
            assert "$" in dep or Path(dep).suffix, f"{name} depends on {dep}: which item?"


def test_outputs_stand_apart_and_records_are_in_git():
    for name in PIPELINE:
        body = entry(name)
        for out in body.get("outs", []):
            path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            in_git = options.get("cache", True) is False
            assert in_git == path.startswith("reports/"), f"{name}: {path}"


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py")),
    ids=lambda p: p.name,
)
def test_nothing_imports_a_stage(path: Path):
    assert not {name for name in imported_modules(path) if name.split(".")[0] == "stages"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("faiss", {"pipeline/detectors/faiss_search.py"}),
        ("dvc", {"pipeline/composition.py", "pipeline/torn_lock.py"}),
    ],
)
def test_each_outside_world_has_one_door(module, allowed):
    users = {
        path.relative_to(ROOT).as_posix()
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        if any(name.split(".")[0] == module for name in imported_modules(path))
    }
    assert users <= allowed


@pytest.mark.parametrize("name", ["accuracy", "evaluate", "fit", "pseudo_label", "score", "study"])
def test_cheap_stages_import_no_torch(name):
    """Half a hundred of these run in one repro; torch alone takes seconds to import."""
    files = [SCRIPTS[name], *(ROOT / file for file in library_files(SCRIPTS[name]))]
    heavy = {n.split(".")[0] for file in files for n in imported_modules(file)} & HEAVY

    assert heavy <= {"faiss"}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_a_benchmark_imports_what_is_still_there(path: Path):
    """Nothing else runs them between two measurements."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            module = importlib.import_module(str(node.module))
            missing = [
                alias.name
                for alias in node.names
                if not hasattr(module, alias.name)
                and importlib.util.find_spec(f"{node.module}.{alias.name}") is None
            ]
            assert not missing, f"{node.module} has no {missing}"
