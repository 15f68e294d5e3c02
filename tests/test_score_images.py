"""New photos by a fitted detector: a tiny CLIP, indexed, fitted and scored by the stages."""

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from pipeline.backbones.weights import WeightsError
from pipeline.detectors.detector import DetectorError
from pipeline.extraction import extract_job
from pipeline.scoring import photo_features
from pipeline.scoring.fitted_artefacts import last_digits
from pipeline.scoring.photos import as_file, find_photos, given_photos
from pipeline.scoring.scorer import load_scorer
from pipeline.scoring.thresholds import threshold
from pipeline.statistics.metrics import accepted_at_tpr, fpr_at_tpr
from pipeline.storage.write_store import write_arrays
from pipeline.tables import read_predictions, read_scores
from stages import (
    encode_text,
    extract,
    fit,
    index,
    probe,
    pseudo_label,
    record_weights,
    score,
    score_images,
)

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
METHODS = {
    "mcm": {"score": "mcm", "temperature": 1.0},
    "plp_msp": {"score": "msp", "head": "plp"},
    "ft_msp": {"score": "msp", "head": "ft"},
    "fused": {"score": "fused", "heads": ["zero_shot", "lp"]},
    "knn": {"score": "knn", "k": [1, 10]},
    "mahalanobis": {"score": "mahalanobis", "gaussians": "labels"},
}
APPLY = ["mcm", "plp_msp", "fused", "knn_1", "knn_10", "mahalanobis"]
SETS = {"train": 72, "test": 30, "strange": 21}
CLASSES = ["ant", "bee", "cat"]


def picture(number: int, size: tuple[int, int] = (40, 36)) -> Image.Image:
    rng = np.random.default_rng(number)
    tint = np.array([[230, 40, 40], [40, 230, 40], [40, 40, 230]][number % 3])
    noise = rng.integers(-40, 200, (*size, 3))
    return Image.fromarray(np.clip(tint + noise, 0, 255).astype(np.uint8))


def write_world(folder: Path) -> None:
    for start, (name, count) in zip((0, 1000, 2001), SETS.items(), strict=True):
        for number in range(count):
            path = folder / "images" / name / CLASSES[number % 3] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(start + number).save(path)
    (folder / "tiny.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    model = {"loader": "open_clip", "config": str(folder / "tiny.json"), "random_weights": True}
    params = {
        "data_root": None,
        "benchmark": {"id_train": "train", "id_test": "test", "class_names": None},
        "datasets": {name: str(folder / "images" / name) for name in SETS},
        "models": {"tiny": model},
        "images": {},
        "index": {},
        "extract": {"device": "cpu", "batch_size": 8, "ahead": 0},
        "text": {"prompts": "single"},
        "pseudo_label": {},
        "probe": {"epochs": 4, "batch_size": 64, "learning_rate": 0.02, "device": "cpu"},
        "fit": {"gaussians": {"labels": {}}, "residuals": [], "head_statistics": []},
        "report": {"headline_methods": ["knn_1", "ft_msp", "mahalanobis"]},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "data/params").mkdir(parents=True)
    (folder / "data/params/methods.json").write_text(json.dumps(METHODS), encoding="utf-8")


def call(monkeypatch, stage, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", [stage.__name__, *map(str, arguments)])
    stage.main()


def run_stages(monkeypatch) -> None:
    weights, features = "data/weights/tiny", "data/features/tiny"
    text, bank = "data/text/tiny.zarr", f"{features}/train.zarr"
    call(monkeypatch, record_weights, "tiny", weights)
    for name in SETS:
        table, store = f"data/index/{name}.parquet", f"{features}/{name}"
        call(monkeypatch, index, name, table)
        paths = [table, weights, f"{store}.zarr", f"{store}.provenance.json"]
        call(monkeypatch, extract, "tiny", name, "params.yaml", *paths)
    call(monkeypatch, encode_text, "tiny", "params.yaml", weights, "data/index/train.parquet", text)
    call(monkeypatch, pseudo_label, bank, text, "pseudo.parquet", "pseudo.json")
    call(monkeypatch, probe, bank, "pseudo.parquet", text, "data/heads/tiny", weights)
    call(monkeypatch, fit, bank, text, "pseudo.parquet", "data/heads/tiny", "data/detectors/tiny")
    for name in SETS:
        tables = [f"data/{kind}/tiny/{name}.parquet" for kind in ("scores", "predictions")]
        paths = ["data/params/methods.json", "data/detectors/tiny", bank, f"{features}/{name}.zarr"]
        call(monkeypatch, score, "tiny", *paths, *tables)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    write_world(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OOD_CACHE_DIR", str(folder / "cache"))
        run_stages(monkeypatch)
    return folder


@pytest.fixture
def project(made, monkeypatch):
    """The finished project as the working directory; not to be changed."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("OOD_CACHE_DIR", str(made / "cache"))
    return made


@pytest.fixture
def changeable(project, tmp_path, monkeypatch):
    """A copy of it."""
    shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def command(monkeypatch, *arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, score_images, *arguments)
    return ended.value.code


def stored(kind, name):
    read = read_scores if kind == "scores" else read_predictions
    return read(Path(f"data/{kind}/tiny/{name}.parquet"))[0]


def state(*folders: str) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for folder in folders
        for path in Path(folder).rglob("*")
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_photos_of_a_set_have_its_scores_to_the_bit(project, monkeypatch, tmp_path, suffix):
    """And its classes; a threshold that rejects what fpr95 rejects; nothing written below data/."""
    before, out = state("data", "images"), tmp_path / f"scores{suffix}"

    code = command(monkeypatch, "tiny", "images/strange", "--method", "all", "--out", out)

    assert code == 0
    assert state("data", "images") == before
    table = pl.read_csv(out) if suffix == ".csv" else pl.read_parquet(out)
    listed = pl.read_parquet("data/index/strange.parquet")["path"]
    assert table["path"].to_list() == [f"images/strange/{path}" for path in listed]
    scores, of_id = stored("scores", "strange"), stored("scores", "test")
    told = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert sorted(told["thresholds"]) == sorted(scores) == sorted(APPLY)
    for name, values in scores.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values, err_msg=name)
        rejected = 1 - table[f"{name}_accepted"].mean()
        assert rejected == pytest.approx(1 - fpr_at_tpr(of_id[name], values))
        assert (of_id[name] >= told["thresholds"][name]).mean() >= 0.95
    for name, classes in stored("predictions", "strange").items():
        assert table[f"{name}_class"].to_list() == [CLASSES[number] for number in classes]
    assert told["thresholds_from"]["images"] == SETS["test"]
    assert told["weights"] == "random weights, seed 0"


def test_accepted_are_those_of_the_id_test_images_that_fpr95_accepts(project):
    """The image on the threshold too."""
    scorer = load_scorer("tiny", methods=["all"])
    table = pl.concat(list(scorer.tables(*find_photos(["images/test"]))))
    for name, values in stored("scores", "test").items():
        expected = accepted_at_tpr(values, tpr=0.95)
        np.testing.assert_array_equal(table[f"{name}_accepted"].to_numpy(), expected, err_msg=name)


def test_blocks_and_unreadable_photos_leave_the_batches_of_a_set(changeable, monkeypatch, capsys):
    """Blocks of 16, of which three files are none: the others are batched as if alone."""
    monkeypatch.setattr(photo_features, "_BLOCK", 16)
    encoded = []
    real = extract_job.encode_batches

    def noted(encoder, reader, batches, *rest, **more):
        real(encoder, reader, batches, *rest, **more)
        encoded.extend(list(reader.paths[start:stop]) for start, stop in batches)

    monkeypatch.setattr(extract_job, "encode_batches", noted)
    (changeable / "images/strange/ant/000a.txt").write_text("no image")
    (changeable / "images/strange/bee/empty.jpg").write_bytes(b"")
    whole = (changeable / "images/strange/cat/002.png").read_bytes()
    (changeable / "images/strange/zzz.png").write_bytes(whole[:-200])

    code = command(monkeypatch, "tiny", "images/strange", "--method", "mahalanobis")

    assert code == 3
    written = capsys.readouterr()
    table = pl.read_csv(io.StringIO(written.out))
    assert table["path"].to_list() == sorted(table["path"])
    good = table.filter(pl.col("error").is_null())
    expected = stored("scores", "strange")["mahalanobis"]
    np.testing.assert_array_equal(good["mahalanobis"].to_numpy(), expected)
    paths = pl.read_parquet("data/index/strange.parquet")["path"].to_list()
    assert encoded == [paths[:8], paths[8:16], paths[16:]]
    bad = table.filter(pl.col("error").is_not_null())
    assert [Path(path).name for path in bad["path"]] == ["000a.txt", "empty.jpg", "zzz.png"]
    assert bad["mahalanobis"].null_count() == bad["mahalanobis_accepted"].null_count() == 3
    assert "3 photos cannot be read" in written.err
    assert "empty.jpg: the file is empty (0 bytes)" in written.err


def test_nothing_readable_is_a_failure(project, monkeypatch, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert command(monkeypatch, "tiny", tmp_path / "a.jpg") == "error: no photo could be read"


def test_places_of_every_kind_stand_in_their_order(project, tmp_path):
    picture(5).save(tmp_path / "loose.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "loose.png", "deep/er/inside.png")
    (tmp_path / "list.txt").write_text("ant/000.png\nbee/001.png\n")
    entry = f"{{source: list, path: {tmp_path}/list.txt, root: images/test}}"
    places = [str(tmp_path / "loose.png"), str(tmp_path / "a.zip"), entry, "images/test/ant"]

    found = find_photos(places)

    names = [name for photos in found for name in photos.names]
    assert names[:4] == [
        f"{tmp_path}/loose.png",
        f"{tmp_path}/a.zip/deep/er/inside.png",
        f"{tmp_path}/list.txt/ant/000.png",
        f"{tmp_path}/list.txt/bee/001.png",
    ]
    assert names[4:] == [f"images/test/ant/{number:03d}.png" for number in range(0, 30, 3)]
    with pytest.raises(ValueError, match="'nowhere' must be an image, a folder or an archive"):
        find_photos(["nowhere"])


def test_a_program_scores_paths_bytes_and_pictures_alike(project):
    paths = [f"images/strange/ant/{number:03d}.png" for number in (0, 3, 6, 9)]
    scorer = load_scorer("tiny")
    assert scorer.methods == ["knn_1", "mahalanobis"]  # the headline's that apply

    files = scorer.score(paths)
    held = [Path(paths[0]), Path(paths[1]).read_bytes(), *map(Image.open, paths[2:])]
    mixed = scorer.score(held)

    assert mixed["path"].to_list() == [paths[0], "photo 1", "photo 2", "photo 3"]
    assert mixed.drop("path").equals(files.drop("path"))
    assert scorer.score([]).columns == files.columns
    cut = Image.open(io.BytesIO(Path(paths[0]).read_bytes()[:-200]))
    one = scorer.score([cut, paths[1]])
    assert one["error"].to_list()[1] is None
    assert "truncated" in one["error"][0]
    assert scorer.score(paths[0]).equals(scorer.score(paths[:1]))
    with pytest.raises(ValueError, match="photos must be paths, .* got a int at position 1"):
        given_photos([paths[0], 3], exif="ignore")


def in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.arange(1440, dtype=np.uint16).reshape(36, 40) * 40)
    return picture(1).convert("L" if mode == "LA" else mode).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "I;16", "HSV"])
def test_a_picture_in_memory_becomes_a_file_of_the_same_pixels(mode):
    again = Image.open(io.BytesIO(as_file(in_mode(mode), exif="ignore")))
    wanted = in_mode(mode).convert("RGB") if mode == "HSV" else in_mode(mode)
    assert again.mode == wanted.mode
    np.testing.assert_array_equal(np.asarray(again), np.asarray(wanted))


def test_a_photo_that_lies_on_its_side_is_turned_where_the_images_are():
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    picture(1, (20, 40)).save(stream, "png", exif=exif)
    sizes = {
        how: Image.open(io.BytesIO(as_file(Image.open(stream), exif=how))).size
        for how in ("ignore", "apply")
    }
    assert sizes == {"ignore": (40, 20), "apply": (20, 40)}


def test_the_threshold_by_hand():
    """Of 20 ID scores one may be below: the second lowest accepts 95 %."""
    scores = np.arange(20.0)[::-1]
    assert threshold(scores, accept=0.95) == 1.0
    assert threshold(scores, accept=1.0) == 0.0
    assert threshold(scores, accept=0.951) == 0.0


def test_unknown_methods_are_told_those_that_there_are(project):
    with pytest.raises(ValueError, match="unknown method 'knn_7'; scored are: mcm, plp_msp, fu"):
        load_scorer("tiny", methods=["knn_7"])
    with pytest.raises(ValueError, match=r"'ft_msp' does not apply \(.*\); scored are: mcm"):
        load_scorer("tiny", methods=["ft_msp"])
    with pytest.raises(ValueError, match=r"must be in \(0, 1\], got 95.0; 95 % is 0.95"):
        load_scorer("tiny", accept=95.0)


def test_without_a_detector_the_stage_to_run_is_named(project):
    with pytest.raises(DetectorError, match="'big' has no .* fitted are: tiny. Run `dvc repro sc"):
        load_scorer("big")


def weights_record(**changed):
    """Change the record of the weights; return it as it was."""
    path = Path("data/weights/tiny/weights.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | changed), encoding="utf-8")
    return record


def test_other_weights_than_the_detectors_are_refused(changeable):
    record = weights_record(sha256="random weights, seed 1")
    with pytest.raises(WeightsError, match="the weights of 'tiny' must be those .* `dvc repro`"):
        load_scorer("tiny")
    weights_record(sha256=record["sha256"], entry=record["entry"] | {"transform": {"size": 48}})
    with pytest.raises(WeightsError, match="the model of 'tiny' must be those"):
        load_scorer("tiny")


def test_a_backbone_without_an_image_tower_scores_no_photos(changeable):
    weights_record(loader="features")
    with pytest.raises(WeightsError, match="'tiny' is imported features and has no image tower"):
        load_scorer("tiny")


def test_features_of_another_time_are_refused(changeable):
    path = Path("data/features/tiny/train.provenance.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"key": "0" * 64}), encoding="utf-8")
    with pytest.raises(DetectorError, match="was fitted on features with the key .* 000000000000"):
        load_scorer("tiny")
    parts = told["key_parts"] | {"images": {"exif": "apply"}}
    path.write_text(json.dumps(told | {"key_parts": parts}), encoding="utf-8")
    with pytest.raises(DetectorError, match="fitted with images.exif apply, photos would .* ignor"):
        load_scorer("tiny")


def test_what_may_change_last_digits_is_told(project):
    """Another version of a library, another processor; a bank of a GPU names none."""
    path = Path("data/features/tiny/train.provenance.json")
    parts = json.loads(path.read_text(encoding="utf-8"))["key_parts"]
    assert last_digits(parts) == []
    other = {"libraries": parts["libraries"] | {"timm": "0.1"}, "cpu": {"machine": "abacus"}}
    [told] = last_digits(parts | other)
    assert "timm 0.1, now" in told
    assert 'processor {"machine": "abacus"}, now {' in told
    assert last_digits({"libraries": parts["libraries"], "gpus": ["another"]}) == []


def test_scores_by_other_settings_give_no_threshold(changeable):
    other = METHODS | {"mcm": {"score": "mcm", "temperature": 2.0}}
    Path("data/params/methods.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(ValueError, match="other settings .* `dvc repro -f score@tiny-test`"):
        load_scorer("tiny")


def test_texts_of_another_time_are_refused(changeable):
    """Their names would be those of other classes."""
    shutil.rmtree("data/text/tiny.zarr")
    vectors = {"class_embeddings": np.eye(3, 16, dtype=np.float32)}
    write_arrays(Path("data/text/tiny.zarr"), vectors, {"class_names": CLASSES[::-1]})
    with pytest.raises(DetectorError, match="must hold the text that the detector"):
        load_scorer("tiny")


def test_without_the_banks_features_only_neighbours_are_missed(changeable):
    shutil.rmtree("data/features/tiny/train.zarr")
    scorer = load_scorer("tiny", methods=["mahalanobis"])
    table = scorer.score(["images/test/ant/000.png"])
    assert table["knn_20_class"].to_list() == [None]
    assert table["mahalanobis"].null_count() == 0
    assert scorer.no_classifier == {"knn_20": "the features of the bank are not there"}


@pytest.mark.parametrize("out", ["data/x.csv", "reports/x.csv", "../{}/data/x.parquet", "x.txt"])
def test_results_are_not_written_among_the_stages_outputs(project, out):
    with pytest.raises(ValueError, match="--out must"):
        score_images.check_out(Path(out.format(Path.cwd().name)))
