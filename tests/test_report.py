import html
import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from report_world import write_world

from pipeline.params import load_params
from pipeline.percent import percent
from pipeline.report.document import Section
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.html import html_page, html_table
from pipeline.report.pictures import Picture
from pipeline.report.tables import Table
from pipeline.statistics.accuracy import wilson_interval
from pipeline.statistics.unmoved_metrics import no_surer_than_perfect, unmoved_interval
from stages import readme, report

ALL_FIGURES = report.FIGURES
ONE_FIGURE = {"accuracy_against_auroc": accuracy_figure}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A study of four backbones, one without text tower, in the working directory."""
    write_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "FIGURES", {})  # all are drawn in test_report_figures
    return tmp_path


def make(**changes):
    params = load_params("report", report.ReportParams)
    scope = replace(report.read_scope(params), **changes)
    return report.run(Path("reports"), scope, params)


def numbers(node, path=()):
    if isinstance(node, dict):
        return {
            k: v for name, child in node.items() for k, v in numbers(child, (*path, name)).items()
        }
    return {".".join(path): node}


def headline():
    return numbers(json.loads(Path("reports/metrics.json").read_text(encoding="utf-8")))


def test_the_headline_is_the_record_of_its_backbone(world):
    make(backbone="mini_m")
    record = json.loads((world / "reports/evaluation/mini_m/greek.json").read_text())

    found = headline()

    assert found["ood.greek.knn_1.auroc"] == round(record["methods"]["knn_1"]["auroc"]["value"], 5)
    assert found["ood.smooth.knn_1.fpr95"] == round(
        json.loads((world / "reports/evaluation/mini_m/smooth.json").read_text())["methods"][
            "knn_1"
        ]["fpr95"]["value"],
        5,
    )
    assert {"id.accuracy.zero_shot", "mean.mcm.auroc", "mean_near.lp_msp.fpr95"} <= set(found)


def test_headlines_of_two_backbones_line_up(world):
    """Otherwise `dvc metrics diff` would show two columns of half-empty rows."""
    make(backbone="mini_s")
    first = headline()
    make(backbone="mini_l")

    assert set(headline()) == set(first)
    assert headline() != first


def test_a_backbone_without_text_has_fewer_keys_and_no_null(world):
    make(backbone="mini_s")
    everything = set(headline())
    make(backbone="plain")

    found = headline()

    assert set(found) < everything
    assert not any("mcm" in key or "plp" in key or "zero_shot" in key for key in found)
    assert all(isinstance(value, float) for value in found.values())


def test_the_mean_is_the_study_s_own(world):
    make(backbone="mini_l")
    study = pl.read_csv("reports/results.csv")
    row = study.filter(backbone="mini_l", dataset="mean_near", method="knn_1", metric="auroc")

    assert headline()["mean_near.knn_1.auroc"] == round(row["value"].item(), 5)


def test_the_document_says_what_a_reader_must_know(world):
    make(backbone="plain")
    text = Path("reports/results.md").read_text(encoding="utf-8")

    assert "| mcm | n/a | n/a |" in text
    assert "backbone 'plain' has no text tower" in text
    assert "Constant scores on digits with mini_s: lp_msp." in text
    assert "as pseudo-label: latin capital letter q (label 16)." in text
    assert "not run: needs cifar100" in text
    assert "OpenOOD 1.5 reports another quantity" in text


def test_both_documents_say_first_what_is_measured_and_what_it_is_no_evidence_for(world):
    """A stranger meets ID, OOD and AUROC before any number, and what glyphs is not by a claim."""
    make(backbone="mini_l")
    for name in ("results.md", "report.html"):
        text = html.unescape(Path("reports", name).read_text(encoding="utf-8"))
        assert text.index("(in-distribution, ID: capitals_test)") < text.index("AUROC (%)")
        assert "Headline backbone mini_l; compared with mini_s, mini_m, plain." in text
        assert text.count("no evidence for or against the paper's claims") == 1
    make(benchmark="imagenet1k")
    assert "no evidence for" not in Path("reports/results.md").read_text(encoding="utf-8")


def test_conventions_tell_the_settings_of_the_records(world):
    for path in (*Path("reports/evaluation").glob("*/*.json"), *Path("reports/accuracy").glob("*")):
        record = json.loads(path.read_text()) | {"tpr": 0.9, "level": 0.99}
        path.write_text(json.dumps(record))
    make(backbone="mini_l")
    text = Path("reports/results.md").read_text(encoding="utf-8")

    assert "accepts at least 90 % of the ID images" in text
    assert "Intervals, of 99 %, come from" in text


def test_the_report_says_of_intervals_near_perfect_what_they_do(world):
    """A few pairs in the wrong order give no narrower interval than none: text and numbers."""
    make()
    text = Path("reports/results.md").read_text(encoding="utf-8")
    sizes = {"n_id": 104, "n_ood": 40}

    low, _ = unmoved_interval("fpr95", 1.0, **sizes)
    assert no_surer_than_perfect("fpr95", (0.999, 1.0), **sizes) == (low, 1.0)
    assert (
        "No interval of AUROC, fpr95 or average precision is surer than that of perfect scores on "
        "as many images." in text
    )
    assert "narrower" not in text


def test_the_hardest_classes_come_first(world):
    make(backbone="mini_l")
    text = Path("reports/results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| greek \| (letter \d) \| (.+) \|$", text, re.MULTILINE)
    record = json.loads(Path("reports/evaluation/mini_l/greek.json").read_text())
    classes = record["classes"]["knn_1"]
    worst = sorted(classes, key=lambda name: classes[name]["auroc"])[:3]

    assert [row[0] for row in rows] == worst
    cell = classes[worst[0]]
    low, high = wilson_interval(round(8 * cell["fpr95"]), 8)
    numbers = (cell["auroc"], cell["low"], cell["high"]), (cell["fpr95"], low, high)
    assert rows[0][1] == " | ".join(["8", *(percent(*three) for three in numbers)])
    assert "the lowest of many are low by chance too" in text


def test_accuracies_among_accepted_images_are_the_record_s(world):
    make(backbone="mini_l")
    text = Path("reports/results.md").read_text(encoding="utf-8")
    accepted = json.loads(Path("reports/accuracy/mini_l.json").read_text())["accepted"]
    cells = [percent(**accepted[how]["mcm"]) for how in ("zero_shot", "knn_20", "plp", "lp")]

    assert f"| mcm | {' | '.join(cells)} |" in text


def test_what_is_printed_fits_a_terminal(world):
    printed = make()

    assert printed == Path("reports/headline.txt").read_text(encoding="utf-8")
    assert max(len(line) for line in printed.splitlines()) <= 100
    assert "photo_patches" in printed
    assert re.search(r"^knn_1 +\d+\.\d \(\d+\.\d–\d+\.\d\)", printed, re.MULTILINE)


def test_the_headline_ends_with_where_the_report_lies(world):
    """`make repro` and the README print this file, whether or not the stage had to run."""
    last = make().splitlines()[-1]

    assert last == "Report: reports/report.html   tables: reports/results.md"
    assert all(Path(path).is_file() for path in ("reports/report.html", "reports/results.md"))


def test_make_repro_prints_the_table_once(world, monkeypatch, capsys):
    """`dvc repro` prints it by the stage; `make repro` says later, and prints the file itself."""
    monkeypatch.setattr("sys.argv", ["report", "reports"])
    report.main()
    assert capsys.readouterr().out == Path("reports/headline.txt").read_text(encoding="utf-8")

    makefile = (Path(report.__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    assert "\tOOD_HEADLINE=later dvc repro\n\t@cat reports/headline.txt\n" in makefile
    monkeypatch.setenv("OOD_HEADLINE", "later")
    report.main()
    assert capsys.readouterr().out == ""


def test_the_same_records_give_the_same_bytes(world, monkeypatch):
    monkeypatch.setattr(report, "FIGURES", ONE_FIGURE)
    make()
    first = {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}
    make()

    assert first == {path: path.read_bytes() for path in first}
    assert not list(Path("reports").rglob("*.partial*"))


def test_the_page_opens_offline(world, monkeypatch):
    """Nothing is loaded from elsewhere: pictures are data, styles are inside, no script."""
    monkeypatch.setattr(report, "FIGURES", ALL_FIGURES)
    make()
    page = Path("reports/report.html").read_text(encoding="utf-8")

    assert page.count("data:image/svg+xml;base64,") == len(ALL_FIGURES)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)


def test_the_page_escapes_what_users_named():
    table = Table("<b>", ("m", "<i>"), (("a&b", "96.9 (96.1–97.6)"), ("c", "n/a")))
    page = html_page("t", "l", (Section("s", "S & T", paragraphs=("x < y",), tables=(table,)),))

    assert "<i>" not in page
    assert "&lt;b&gt;" in page
    assert "a&amp;b" in page
    assert '<td class="absent">n/a</td>' in page
    assert '96.9 <span class="interval">(96.1–97.6)</span>' in page


def test_only_an_interval_at_the_end_of_a_cell_goes_on_a_line_of_its_own():
    cells = "96.9 (96.1–97.6)", "+1.0 (-1.0 to +9.0)", "96.9 (96.1–97.6), of 3", "3 (Holm)"

    page = html_table(Table("t", ("set", *"abcd"), (("greek", *cells),)))

    assert page.count('class="interval"') == 2
    assert "<td>96.9 (96.1–97.6), of 3</td><td>3 (Holm)</td>" in page


def test_contact_sheets_are_shown(world):
    Image.new("RGB", (4, 4)).save("sheet.png")
    text = Path("params.yaml").read_text() + "  contact_sheets: [sheet.png]\n"
    Path("params.yaml").write_text(text)
    make()

    assert "data:image/png;base64," in Path("reports/report.html").read_text()
    document = Path("reports/results.md").read_text(encoding="utf-8")
    assert "![sheet](../sheet.png)" in document
    assert "*Images of sheet before and after the attack" in document


def test_the_attack_is_told_score_by_score_and_backbone_by_backbone(world):
    make(backbone="mini_m")
    record = json.loads((world / "reports/adversarial/mini_m/smooth.json").read_text())
    clean = 100 * record["methods"]["knn_1"]["auroc"]["clean"]
    text = Path("reports/results.md").read_text(encoding="utf-8")

    assert f"| knn_1 | {clean:.1f} | {clean - 20:.1f} | -20.0 (-22.0 to -19.0) |" in text
    assert "| knn_1, bank without targets |" in text
    assert "| smooth, on mini_m | " in text
    assert f"{clean:.1f} → {clean - 20:.1f}" in text
    assert "200 images, each compared with itself" in text


def test_without_crafted_sets_there_is_no_such_section(world):
    make(crafted={})

    assert "Crafted images" not in Path("reports/results.md").read_text(encoding="utf-8")


def test_roc_files_are_curves(world):
    make()
    table = pl.read_csv("reports/roc/greek.csv")

    assert table.columns == ["fpr", "tpr"]
    assert table["fpr"].is_sorted()
    assert table["tpr"].is_sorted()


def test_duplicate_warnings_are_quoted(world):
    Path("reports/duplicates").mkdir()
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "  duplicates: [glyphs]\n")
    sets = {"greek": {"role": "OOD", "images": 9, "unreadable": 0}}
    pair = {"image": "a.png", "other": "b.png", "cosine": 1.0, "exact": True}
    for files, pairs, cited in (
        ({}, [pair], " (reports/duplicates/glyphs.png)"),
        ({}, [], ""),
        ({"files": False}, [pair], ""),
    ):
        overlaps = {"greek in greek": {"exact": None, "near": None, "reason": "", "pairs": pairs}}
        record = {"warnings": ["3 images shared"], "overlaps": overlaps}
        record["sets"] = {"greek": sets["greek"] | files}
        Path("reports/duplicates/glyphs.json").write_text(json.dumps(record))
        make()

        told = f"Duplicates: 3 images shared{cited}\n"
        assert told in Path("reports/results.md").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "evaluation/mini_m/smooth.json",
        "adversarial/plain/smooth.json",
        "accuracy/plain.json",
        "results.csv",
        "study/claims.csv",
        "study/lines.csv",
        "study.json",
    ],
)
def test_a_missing_record_is_named(world, name):
    (world / "reports" / name).unlink()

    with pytest.raises(FileNotFoundError, match="there is no .*" + re.escape(name) + ".*dvc repro"):
        make()


def test_a_record_under_the_wrong_name_is_refused(world):
    folder = world / "reports/evaluation/mini_m"
    (folder / "greek.json").write_text((folder / "digits.json").read_text())

    with pytest.raises(ValueError, match="must be the record of dataset 'greek', got 'digits'"):
        make()


@pytest.mark.parametrize("name", ["evaluation/mini_m/greek.json", "pseudo_labels/mini_m.json"])
def test_a_record_that_does_not_say_whose_it_is_is_refused(world, name):
    path = world / "reports" / name
    record = json.loads(path.read_text())
    del record["backbone"]
    path.write_text(json.dumps(record))

    with pytest.raises(ValueError, match="must be the record of backbone 'mini_m', got None"):
        make()


def test_a_torn_record_is_refused(world):
    path = world / "reports/accuracy/mini_m.json"
    path.write_text(path.read_text()[:40])

    with pytest.raises(ValueError, match=r"accuracy/mini_m\.json is damaged"):
        make()


def test_a_backbone_outside_the_study_is_refused(world):
    with pytest.raises(ValueError, match="'vit_h' must be one of backbones: mini_s, mini_m"):
        make(backbone="vit_h")


def test_an_unknown_headline_method_is_refused(world):
    with pytest.raises(ValueError, match="unknown method 'knn_7'; evaluated are: .*knn_1"):
        make(headline_methods=("knn_7",))


def test_a_roc_method_that_does_not_apply_is_refused(world):
    text = Path("params.yaml").read_text() + "  roc_method: mcm\n"
    Path("params.yaml").write_text(text)

    with pytest.raises(ValueError, match="roc_method must apply to backbone 'plain', got 'mcm'"):
        make(backbone="plain")


def test_a_picture_of_another_kind_is_refused(tmp_path):
    section = Section("s", "S", pictures=(Picture(tmp_path / "x.gif", "x"),))

    with pytest.raises(ValueError, match=r"must be \.svg or \.png, got"):
        html_page("t", "l", (section,))


def test_the_readme_takes_its_blocks_from_the_report(world, monkeypatch):
    monkeypatch.setattr(report, "FIGURES", ONE_FIGURE)
    make()
    names = ("headline", "claims", "accuracy", "printed")
    text = "\n".join(f"# {n}\n<!-- begin: {n} -->\n<!-- end: {n} -->" for n in names)
    Path("README.md").write_text(text + "\n")

    filled = readme.run(Path("README.md"), Path("reports"))

    assert "### AUROC (%) on glyphs with mini_s" in filled
    assert "](reports/figures/accuracy_against_auroc.svg)" in filled
    assert "```text\nAUROC (%) on glyphs with mini_s" in filled
    Path("README.md").write_text(filled)
    assert readme.run(Path("README.md"), Path("reports")) == filled
