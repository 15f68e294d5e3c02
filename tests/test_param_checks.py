"""Whatever params.yaml may hold wrongly is told by the first stage, not by the last one."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.code_closure import ROOT
from stages.check_params import run

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def with_value(path: str, value: object) -> dict:
    params = copy.deepcopy(PARAMS)
    node = params
    *folders, last = path.split(".")
    for key in folders:
        node = node[key]
    node[last] = value
    return params


def check(folder: Path, params: dict) -> subprocess.CompletedProcess[str]:
    text = yaml.safe_dump(params, sort_keys=False)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "stages.check_params", "e.json", "x.json", "m.json", "t.json"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_committed_parameters_pass():
    assert set(run(copy.deepcopy(PARAMS))) == {"evaluate", "extract", "methods", "text"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("finetunes", "unknown parameter 'finetunes'; known: backbone, backbones, "),
        ("craft.surogate", "unknown parameter 'craft.surogate'; known: defaults, pictures, "),
        ("craft.defaults.stepss", "unknown parameter 'craft.defaults.stepss'; known: "),
        ("craft.pictures.top", "unknown parameter 'craft.pictures.top'"),
        ("report.headline_methodz", "unknown parameter 'report.headline_methodz'"),
        ("finetune.epoch", "unknown parameter 'finetune.epoch'"),
        ("duplicates.treshold", "unknown parameter 'duplicates.treshold'"),
        ("benchmark.mean", "unknown parameter 'benchmark.mean'; known: .*means"),
        ("benchmark.clas_names", "unknown parameter 'benchmark.clas_names'"),
        ("matrix.oods", "unknown parameter 'matrix.oods'"),
        ("pretrain.pairs.counts", "unknown parameter 'pretrain.pairs.counts'"),
        ("models.mini_s.pretrain.stepz", "unknown parameter 'models.mini_s.pretrain.stepz'"),
        ("models.mini_s_ft.finetune.epoch", "parameter 'models.mini_s_ft.finetune.epoch'"),
        ("models.mini_s.loadr", "unknown parameter 'models.mini_s.loadr'"),
        ("datasets.greek.per_clas", "unknown parameter 'datasets.greek.per_clas'"),
        ("datasets.smooth.smoothnes", "unknown parameter 'datasets.smooth.smoothnes'"),
    ],
)
def test_a_misspelt_key_of_any_section_or_entry_is_named(path, message):
    with pytest.raises(ValueError, match=message):
        run(with_value(path, 1))


def test_a_section_that_is_missing_is_named():
    params = copy.deepcopy(PARAMS)
    del params["report"]

    with pytest.raises(ValueError, match="missing parameter 'report'"):
        run(params)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("report.headline_methods", ["knn_1", "knn_7"], "headline_methods .* method 'knn_7'"),
        ("report.headline_methods", [], "headline_methods must name at least one method"),
        ("report.roc_method", "knn_7", "report.roc_method names the unknown method 'knn_7'; known"),
        ("evaluate.compare", [["plp_mspp", "mcm"]], "evaluate.compare .* method 'plp_mspp'"),
        ("evaluate.class_methods", ["knn_2"], "evaluate.class_methods .* method 'knn_2'"),
        ("study.nearest", "knn_11", "study.nearest names the unknown method 'knn_11'"),
        ("study.plp", ["plp_ms"], "study.plp names the unknown method 'plp_ms'"),
        (
            "study.classifier",
            "ft",
            "classifier must be one of zero_shot, knn_20, plp, lp, got .ft.",
        ),
        ("methods.plp_msp.head", "lpp", "methods.plp_msp names the head 'lpp'"),
        ("methods.plp_msp.head", "few_shot", "needs probe.shots above 0, got 0"),
        ("methods.mahalanobis.gaussians", "labelss", "names 'labelss', which fit.gaussians"),
        ("benchmark.means.near", ["cyrilic"], "benchmark.means.near names the unknown 'cyrilic'"),
        ("benchmark.means.near", ["smooth"], "benchmark.means.near names the unknown 'smooth'"),
        ("benchmark.means.near", [], "benchmark.means.near must name at least one OOD set"),
        ("benchmark.means.all", ["greek"], "must not name a mean 'all', which is the mean over"),
        ("benchmark.means.mean", ["greek"], "must not name a mean 'mean', which is the mean over"),
        ("study.means", ["nearby"], "study.means names the unknown 'nearby'; known: overall, near"),
        ("benchmark.id_train", "capitals", "benchmark.id_train names the unknown 'capitals'"),
        ("benchmark.attacked", "runes", "benchmark.attacked names the unknown 'runes'"),
        ("benchmark.class_names", "imagenet_clean", "unknown class-name list 'imagenet_clean'"),
        ("text.prompts", "plp6", "unknown prompt set 'plp6'; known: openai80"),
        ("text.negative_prompt", "a photo of a {}.", "text.negative_prompt must hold {c}"),
        ("text.negative_words", "word.txt", "unknown list of negative words 'word.txt'"),
        ("text.negative_share", 0.0, r"text.negative_share must be in \(0, 1\], got 0.0"),
        ("duplicates.threshold", 1.5, r"duplicates.threshold must be in \(0, 1\], got 1.5"),
        ("craft.surrogate", "mini_x", "craft.surrogate names the unknown 'mini_x'"),
        ("craft.pictures.left", "smoth", "craft.pictures names the unknown 'smoth'"),
        ("craft.pictures.rows", 0, "craft.pictures.rows must be at least 1, got 0"),
        ("study.family", ["mini_x"], "study.family names the unknown 'mini_x'; known: mini_s"),
        ("report.duplicates", ["runes"], "report.duplicates names the unknown 'runes'"),
        ("report.contact_sheets", ["a.png"], "report.contact_sheets names the unknown 'a.png'"),
        ("datasets.smooth.ood", "runes", "datasets.smooth.ood names the unknown 'runes'"),
        ("datasets.smooth.surrogate", "m", "datasets.smooth.surrogate names the unknown 'm'"),
        ("datasets.smooth.pairs", 0, "datasets.smooth: 'pairs' must be at least 1, got 0"),
        ("datasets.greek.part", "runes", "datasets.greek: unknown part 'runes'"),
        ("datasets.greek.source", "glyph", "'datasets.greek' has no path"),
        ("models.mini_s_ft.finetune.start", "mini", "start must name the backbone it starts from"),
        ("backbones", ["mini_l"], "study.family names the unknown 'mini_s'"),
        ("models", {}, "backbones names the unknown 'mini_s'; known: none"),
        ("backbones", [], "is not among backbones: none"),
        ("matrix.extracted", ["greek"], "matrix.extracted and datasets differ in 'capitals_test'"),
        ("matrix.reference", "mini_x", "matrix.reference names the unknown 'mini_x'"),
        ("matrix.surrogates.smooth.backbone", "mini_x", "surrogates names the unknown 'mini_x'"),
        ("matrix.rendered", ["greek"], "sources of matrix and datasets differ in 'capitals_test'"),
        ("matrix.scored", ["greek"], "matrix.scored with the bank and datasets differ in 'capit"),
        ("matrix.ood", ["runes"], "matrix.ood names the unknown 'runes'"),
        ("benchmark.id_test", "capitals", "benchmark.id_test names the unknown 'capitals'"),
        ("text.negative_candidates", 0, "negative_candidates must be at least 1, .* got 0"),
        ("duplicates.shown", -1, "duplicates.shown must be 0 or more, got -1"),
        ("evaluate.level", 95, r"evaluate.level must be in \(0, 1\), got 95.0; write 95 % as 0.95"),
        ("evaluate.tpr", 95, r"evaluate.tpr must be in \(0, 1\], got 95.0"),
        ("evaluate.seed", -1, "evaluate.seed must be 0 or more, got -1"),
        ("evaluate.compare", [["mcm", "mcm"]], "pairs of different methods, got .*; name another"),
        ("evaluate.resamples", -5, "evaluate.resamples must be at least 100, got -5"),
        ("fit.gaussians.labels.shrinkage", "lw", "'fit.gaussians.labels.shrinkage' must be one of"),
        ("fit.gaussians.labels.space", "feature", "labels.space names the unknown 'feature'"),
        ("fit.residuals", ["plp", "lp", "mean", "p"], "fit.residuals names the unknown 'p'"),
        ("fit.head_statistics", ["plp", "lp", "p"], "fit.head_statistics names the unknown 'p'"),
        ("fit.residual_dimension", 0, "fit.residual_dimension must be at least 1, or null"),
        ("fit.clip_quantile", 1.5, r"fit.clip_quantile must be in \(0, 1\), got 1.5"),
        ("study.clip", ["mini_q"], "study.clip names the unknown 'mini_q'; known: mini_s"),
        ("study.finetuned", {"mini_s": "q"}, "study.finetuned names the unknown 'q'; known"),
        ("probe.seeds", [42, -1], "probe.seeds must be in 0 .. .* got -1"),
        ("finetune.mixup", -1, "finetune.mixup must be 0 or more, got -1"),
        ("finetune.smoothing", 1, r"finetune.smoothing must be in \[0, 1\), got 1"),
        ("finetune.learning_rate", 0, "finetune.learning_rate must be above 0, got 0"),
        ("text.negative_candidates", 3, "neglabel.groups must be at most the 1 words .*got 10"),
        ("matrix.pretrained", [], "weights of matrix and backbones differ in 'mini_l'; change"),
    ],
)
def test_a_name_that_means_nothing_is_refused_before_anything_runs(path, value, message):
    with pytest.raises(ValueError, match=message):
        run(with_value(path, value))


def test_a_misspelt_option_of_a_set_on_disk_is_named_though_its_path_may_be_elsewhere():
    params = copy.deepcopy(PARAMS)
    params["datasets"]["cifar10"] = {"source": "cifar", "path": "/none.tar.gz", "splitt": "test"}
    params["matrix"]["extracted"].append("cifar10")
    with pytest.raises(ValueError, match="unknown parameter 'datasets.cifar10.splitt'; known: "):
        run(params)

    params["datasets"]["cifar10"] = {"source": "cifar", "path": "/none.tar.gz", "split": "test"}
    for names in ("indexed", "in_place", "scored", "ood"):
        params["matrix"][names].append("cifar10")
    run(params)  # where it lies is for its own stage to say


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mean", "a data set's name must not be mean, all, overall .* got 'mean'; .* set_mean"),
        ("mean_near", "a data set's name must not be .* begin with mean_, .* got 'mean_near'"),
        ("all", "a data set's name must not be .* got 'all'"),
        ("overall", "a data set's name must not be .* got 'overall'"),
        ("v1.5", "a data set's name must be a text of letters.* got 'v1.5'; .* as set_v1_5"),
        ("a b", "a data set's name must be a text of letters.* got 'a b'"),
        ("a/b", "a data set's name must be a text of letters.* got 'a/b'"),
        (2024, "a data set's name must be a text of letters.* got 2024; .* as set_2024"),
    ],
)
def test_a_data_set_cannot_bear_the_name_of_a_mean_or_no_path(name, message):
    """A set `mean` had its rows taken for the mean; DVC reads a dot as the next key."""
    params = copy.deepcopy(PARAMS)
    params["datasets"][name] = {"path": "/none"}
    for names in ("indexed", "in_place", "extracted", "scored", "ood"):
        params["matrix"][names].append(str(name))
    with pytest.raises(ValueError, match=message):
        run(params)


def test_meanwhile_is_a_name_like_any_other():
    params = copy.deepcopy(PARAMS)
    params["datasets"]["meanwhile-2"] = {"path": "/none"}
    for names in ("indexed", "in_place", "extracted", "scored", "ood"):
        params["matrix"][names].append("meanwhile-2")
    run(params)


def test_a_backbone_with_a_dot_is_refused():
    params = copy.deepcopy(PARAMS)
    params["models"]["vit.b"] = {"loader": "timm", "name": "test_vit", "random_weights": True}
    params["backbones"].append("vit.b")
    with pytest.raises(ValueError, match=r"a backbone's name must be a text .* got 'vit.b'"):
        run(params)


def test_a_budget_among_the_defaults_leaves_smoothness_to_the_sets():
    budget = {"norm": "linf", "epsilon": 0.03, "step": 0.01}
    params = with_value("craft.defaults.budget", budget)
    with pytest.raises(ValueError, match="datasets.smooth: 'smoothness' 5000 and a budget"):
        run(params)
    params["datasets"]["smooth"]["smoothness"] = 0.0
    run(params)


def test_a_headline_outside_the_backbones_is_one_line_and_nothing_is_written(tmp_path: Path):
    """After a hand edit of params.yaml; before, only the last stage of all noticed."""
    done = check(tmp_path, with_value("backbone", "vit_h"))

    assert done.returncode == 1
    assert done.stderr == (
        "error: backbone 'vit_h' is not among backbones: mini_s, mini_m, mini_l, mini_s_ft; "
        "change conf/ and run `make params`, which derives what follows from a name\n"
    )
    assert not list(tmp_path.glob("*.json"))


def test_a_bad_report_parameter_leaves_what_was_checked_before(tmp_path: Path):
    """`report` would delete the previous report, and then fail."""
    assert check(tmp_path, PARAMS).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}

    done = check(tmp_path, with_value("report.roc_method", "knn_7"))

    assert done.returncode == 1
    assert done.stderr.startswith("error: report.roc_method names the unknown method 'knn_7'")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == before


def test_roc_curves_of_text_are_refused_where_the_headline_has_no_text_tower():
    params = with_value("backbone", "mini_s_ft")
    params["probe"]["seeds"] = [42, 43]
    params["methods"] |= {
        f"{kind}_43": {"score": "msp", "head": f"{kind}_seed43"} for kind in ("plp", "lp")
    }
    run(params)
    for method in ("mcm", "plp_energy", "plp_43", "fused", "mahalanobis_pseudo"):
        params["report"]["roc_method"] = method
        with pytest.raises(ValueError, match=f"'mini_s_ft', which has no text .* got '{method}'"):
            run(params)
    for method in ("lp_msp", "lp_43"):
        params["report"]["roc_method"] = method
        run(params)


def test_a_change_of_the_report_alone_writes_the_same_files():
    """Extraction and scores depend on these files, and on no section of the report."""
    assert run(with_value("report.roc_method", "mcm")) == run(copy.deepcopy(PARAMS))


def test_parameters_that_are_no_yaml_are_one_line(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("a: [1\nb: 2\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "stages.check_params", "e.json", "x.json", "m.json", "t.json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.startswith("error: params.yaml must be YAML: ")
    assert done.stderr.count("\n") == 1


def test_the_stage_depends_on_every_section_and_comes_before_all_that_costs():
    assert "params.yaml" in STAGES["check_params"]["deps"]
    assert list(STAGES)[:2] == ["fingerprint_code", "check_params"]  # DVC keeps the order
    for stage in ("extract", "encode_text", "score", "evaluate", "accuracy"):
        assert set(STAGES[stage]["deps"]) & set(STAGES["check_params"]["outs"])


def test_the_check_loads_no_torch():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, yaml, stages.check_params as c\n"
            "c.run(yaml.safe_load(open('params.yaml')))\n"
            "print(*{'torch', 'timm', 'open_clip'} & set(sys.modules))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout == "\n"
