"""params.yaml is what conf/ composes; names that do not exist are listed, not skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import compose_and_dump

from pipeline.code_closure import ROOT
from stages import check_params

BENCHMARKS = sorted(path.stem for path in (ROOT / "conf/benchmark").glob("*.yaml"))
STUDIES = sorted(path.stem for path in (ROOT / "conf/study").glob("*.yaml"))


@pytest.fixture
def compose(tmp_path: Path):
    def run(*overrides: str) -> dict:
        out = tmp_path / "params.yaml"
        conf = str(ROOT / "conf")
        compose_and_dump(str(out), conf, "", "config", conf, list(overrides))
        return yaml.safe_load(out.read_text(encoding="utf-8"))

    return run


def test_the_committed_parameters_are_the_composed_ones(compose):
    """Run `make params` after a change in conf/; the headline may be switched."""
    committed = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    chosen = [f"benchmark={committed['benchmark']['name']}"]
    if chosen != ["benchmark=glyphs"]:
        pytest.skip("params.yaml holds another benchmark than the one in git")

    assert compose(f"backbone={committed['backbone']}") == committed


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_composes_with_roles_that_exist(compose, benchmark):
    params = compose(f"benchmark={benchmark}", "backbone=vit_b", "study=single")
    names, roles = set(params["datasets"]), params["benchmark"]
    lists = params["matrix"]

    assert {roles["id_train"], roles["id_test"]} <= names
    assert set(lists["extracted"]) == names
    assert set(lists["rendered"] + lists["indexed"] + lists["crafted"]) == names
    assert set(lists["scored"]) == names - {roles["id_train"]}
    assert {roles["id_test"], *lists["ood"], *lists["crafted"]} == set(lists["scored"])
    assert {name for group in (roles["means"] or {}).values() for name in group} <= names


@pytest.mark.parametrize(
    ("benchmark", "study"),
    [
        *((name, "clip10") for name in sorted(set(BENCHMARKS) - {"folders", "features"})),
        *(("cifar100", name) for name in STUDIES if name not in ("clip10", "single")),
    ],
)
def test_every_shipped_benchmark_and_study_passes_the_check(compose, benchmark, study):
    check_params.run(compose(f"benchmark={benchmark}", f"study={study}"))


PHOTOS = ("datasets.id_train.path=/photos/train", "datasets.id_test.path=/photos/test.zip")
ROWS = ("datasets.id_train.path=train.npz", "datasets.id_test.path=test.npz")


@pytest.mark.parametrize(
    ("benchmark", "paths", "message"),
    [
        ("folders", (), "'datasets.id_train' has no path; .*-S 'datasets.id_train.path=/data/id"),
        ("folders", PHOTOS, r"'folders' has no OOD set .* -S '\+datasets=\{name: /path\}'"),
        ("features", ROWS, "'features' has no OOD set"),
    ],
)
def test_a_benchmark_of_your_own_says_first_what_it_lacks(compose, benchmark, paths, message):
    """A study of no OOD set would fail after the heads are trained."""
    backbone = "imported" if benchmark == "features" else "vit_b"
    params = compose(f"benchmark={benchmark}", f"backbone={backbone}", "study=single", *paths)

    with pytest.raises(ValueError, match=message):
        check_params.run(params)


def test_folders_and_features_of_your_own_pass_the_check(compose):
    of = ("study=single", "+datasets={svhn: {path: x.npy, classes: false}}")
    photos = compose("benchmark=folders", "backbone=vit_b", *PHOTOS, *of)
    imported = compose(
        "benchmark=features",
        "backbone=imported",
        "study=single",
        *ROWS,
        "+datasets.svhn={source: features, path: svhn.npy, classes: false}",
        "+models.imported.files.svhn=svhn.npy",
    )

    for params in (photos, imported):
        check_params.run(params)


@pytest.mark.parametrize(
    ("study", "headline"),
    [
        ("mini", "mini_l"),
        ("clip10", "vit_bigg"),
        ("clip_vs_finetuned", "vit_h"),
        ("cifar_finetuned", "vit_h"),
    ],
)
def test_a_study_names_its_headline_and_the_command_line_another(compose, study, headline):
    """A benchmark's attack follows: no glyph model joins a study of photos."""
    chosen = compose("benchmark=cifar100", f"study={study}")
    switched = compose("benchmark=cifar100", f"study={study}", "backbone=vit_l")

    assert (chosen["backbone"], chosen["craft"]["surrogate"]) == (headline, headline)
    assert headline in chosen["study"]["family"]
    assert set(chosen["backbones"]) == set(chosen["study"]["family"])
    assert (switched["backbone"], switched["craft"]["surrogate"]) == ("vit_l", "vit_l")


@pytest.mark.parametrize("study", ["single", "mini", "clip10"])
def test_a_switch_of_the_headline_only_ever_adds(compose, study):
    """A list that shrank would delete the reports of the dropped backbones."""
    family = set(compose(f"study={study}", "backbone=mini_l")["backbones"])

    for backbone in ("mini_s", "vit_h", "dinov2_b"):
        switched = compose(f"study={study}", f"backbone={backbone}")
        assert switched["backbone"] == backbone
        assert backbone in switched["backbones"]
        assert family - {"mini_l"} <= set(switched["backbones"])
        assert len(set(switched["backbones"])) == len(switched["backbones"])


def test_a_switch_within_the_family_leaves_the_study_as_it_is(compose):
    """Order is that of the backbone table, whatever the headline."""
    small, large = compose("backbone=mini_s"), compose("backbone=mini_l")
    different = {name for name in large if small[name] != large[name]}

    assert small["backbones"] == ["mini_s", "mini_m", "mini_l", "mini_s_ft"]
    assert different == {"backbone"}


def test_a_switch_leaves_what_finds_duplicates_the_same(compose):
    references = {compose(f"backbone={b}")["matrix"]["reference"] for b in ("mini_s", "mini_l")}

    assert len(references) == 1


def test_data_in_place_are_looked_at_by_one_stage_and_the_embedded_benchmark_has_none(compose):
    assert compose()["matrix"]["in_place"] == compose()["matrix"]["indexed"] == []
    folders = compose("benchmark=folders", "study=single", "backbone=vit_b")
    assert folders["matrix"]["in_place"] == ["datasets"]


def test_lists_of_your_own_are_dependencies_and_shipped_ones_are_none(compose, tmp_path):
    shipped = compose("text.prompts=openai80", "benchmark.class_names=cifar10")["matrix"]["lists"]
    mine = tmp_path / "mine.txt"
    mine.write_text("a {c}\n")
    names = ("class_names", "negative_words", "prompts")
    keys = ("benchmark.class_names", "text.negative_words", "text.prompts")
    told = compose(*(f"{key}={mine}" for key in keys))["matrix"]["lists"]

    assert shipped == dict.fromkeys(names, "params.yaml")
    assert told == dict.fromkeys(names, str(mine))


def test_each_backbone_has_one_source_of_weights(compose):
    lists = compose("study=mini", "backbone=vit_h")["matrix"]

    assert lists["fetched"] == ["vit_h"]
    assert lists["recorded"] == []
    assert compose("backbone=mobilenet")["matrix"]["recorded"] == ["mobilenet"]  # a local file
    assert set(lists["pretrained"]) == {"mini_s", "mini_m", "mini_l"}
    assert lists["finetuned"] == {"mini_s_ft": "mini_s"}


def test_what_a_backbone_starts_from_joins_the_run(compose):
    params = compose("study=single", "backbone=mini_s_ft", "benchmark=folders")

    assert params["backbones"] == ["mini_s", "mini_s_ft"]


def test_your_own_folders_are_given_by_path(compose):
    params = compose(
        "benchmark=folders",
        "study=single",
        "backbone=mobilenet",
        "datasets.id_train.path=/photos/train",
        "+datasets={vehicles: /photos/v, dtd: {path: /photos/dtd.zip}}",
    )

    assert params["matrix"]["ood"] == ["vehicles", "dtd"]
    assert params["matrix"]["crafted"] == params["matrix"]["pictured"] == []
    assert params["backbones"] == ["mobilenet"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("backbone=vit_hh", "unknown backbone 'vit_hh'; known: beit_b"),
        ("study.family=[mini_s,mini_x]", "unknown backbone 'mini_x'"),
        ("benchmark=glyph", "Could not find 'benchmark/glyph'"),
        ("methods.knn.kk=[1]", "Could not override 'methods.knn.kk'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(compose, override, message):
    with pytest.raises(Exception, match=message):
        compose(override)


def composed_elsewhere(folder: Path, files: dict[str, str], *overrides: str):
    """Run `make params` in a copy of conf/ with further files; the plug-ins are read but once."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name, text in files.items():
        (folder / "conf" / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "stages.compose", *overrides],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_file_of_backbones_is_read_and_can_be_overridden(tmp_path):
    mine = "models:\n  my_net: {loader: timm, name: resnet10t, checkpoint: my_net.safetensors}\n"
    chosen = ("backbone=my_net", "study=single", "models.my_net.name=resnet18")

    done = composed_elsewhere(tmp_path, {"models/mine.yaml": mine}, *chosen)

    assert done.returncode == 0, done.stderr
    params = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    entry = {"loader": "timm", "name": "resnet18", "checkpoint": "my_net.safetensors"}
    assert params["models"]["my_net"] == entry
    assert params["matrix"]["recorded"] == ["my_net"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("my_net: {loader: timm}\n", "conf/models/mine.yaml must have its backbones below the "),
        (
            "models:\n  vit_b: {loader: timm, name: resnet10t}\n",
            "'vit_b' stands in conf/models/clip.yaml and conf/models/mine.yaml; rename one",
        ),
    ],
)
def test_a_new_file_of_backbones_is_refused_in_one_line(tmp_path, text, message):
    done = composed_elsewhere(tmp_path, {"models/mine.yaml": text})

    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("foo=1", "does not compose with foo=1: Could not override 'foo'. To append to your con"),
        ("foo=[1", "does not compose with foo=[1: no viable alternative at input '[1'"),
        ("backbone=vit_hh", "unknown backbone 'vit_hh'; known: beit_b"),
    ],
)
def test_make_params_tells_an_override_that_does_not_fit_in_one_line(tmp_path, override, message):
    done = composed_elsewhere(tmp_path, {}, override)

    assert done.returncode == 1
    assert done.stderr.startswith("error: conf/ does not compose with ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "params.yaml").exists()


def test_make_params_names_the_file_and_line_of_a_mistake_in_yaml(tmp_path):
    done = composed_elsewhere(tmp_path, {"heads.yaml": "probe: {seeds: [1}\n"})

    assert done.returncode == 1
    assert done.stderr.startswith("error: conf/ does not compose: while parsing")
    assert 'conf/heads.yaml", line 1' in done.stderr
