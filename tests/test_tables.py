"""Score and prediction tables: what is written is what is read, and damage is loud."""

import numpy as np
import polars as pl
import pytest

from pipeline.tables import read_predictions, read_scores, write_predictions, write_scores


def test_scores_come_back_in_row_order(tmp_path):
    path = tmp_path / "sub" / "scores.parquet"
    scores = {"mcm": np.array([0.5, 0.25, 0.75]), "knn_1": np.array([3.0, 1.0, 2.0])}

    write_scores(path, scores, not_applicable={"plp_msp": "no text tower"})
    back, reasons = read_scores(path)

    assert list(back) == ["knn_1", "mcm"]
    for method, values in scores.items():
        np.testing.assert_array_equal(back[method], values)
    assert reasons == {"plp_msp": "no text tower"}
    assert pl.read_parquet(path).columns == ["row", "method", "score"]


def test_precision_is_kept_where_a_method_needs_it(tmp_path):
    close = np.array([1 - 1e-9, 1 - 2e-9])
    write_scores(tmp_path / "a", {"msp": close, "knn_1": np.zeros(2, np.float32)})
    write_scores(tmp_path / "b", {"knn_1": np.zeros(2, np.float32)})

    assert len(set(read_scores(tmp_path / "a")[0]["msp"])) == 2
    assert read_scores(tmp_path / "b")[0]["knn_1"].dtype == np.float32


def test_the_same_scores_make_the_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 50))
    write_scores(tmp_path / "a", {"x": one, "y": two}, not_applicable={"p": "1", "q": "2"})
    write_scores(tmp_path / "b", {"y": two, "x": one}, not_applicable={"q": "2", "p": "1"})

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_table_may_hold_reasons_only(tmp_path):
    write_scores(tmp_path / "a", {}, not_applicable={"mcm": "no text tower"})

    assert read_scores(tmp_path / "a") == ({}, {"mcm": "no text tower"})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=r"scores of 'mcm' .* must be finite, got .* in row 1"):
        write_scores(tmp_path / "a", {"mcm": np.array([0.0, bad])})
    assert not (tmp_path / "a").exists()


def test_unequal_lengths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one value per image, got a 2, b 3"):
        write_scores(tmp_path / "a", {"a": np.zeros(2), "b": np.zeros(3)})


def test_a_method_is_scored_or_not_applicable(tmp_path):
    with pytest.raises(ValueError, match="'a' cannot have values and be not applicable"):
        write_scores(tmp_path / "a", {"a": np.zeros(2)}, not_applicable={"a": "why"})


def test_a_lost_row_is_noticed(tmp_path):
    write_scores(tmp_path / "a", {"a": np.zeros(3), "b": np.zeros(3)})
    pl.read_parquet(tmp_path / "a")[:-1].write_parquet(tmp_path / "a")

    with pytest.raises(ValueError, match=r"rows 0 to 2 once under 'b', got 2 rows"):
        read_scores(tmp_path / "a")


def test_rows_out_of_order_are_put_in_order(tmp_path):
    write_scores(tmp_path / "a", {"a": np.array([1.0, 2, 3])})
    pl.read_parquet(tmp_path / "a").reverse().write_parquet(tmp_path / "a")

    np.testing.assert_array_equal(read_scores(tmp_path / "a")[0]["a"], [1, 2, 3])


def test_a_missing_table_names_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no table .*nowhere"):
        read_scores(tmp_path / "nowhere")


def test_a_foreign_table_is_refused(tmp_path):
    pl.DataFrame({"row": [0]}).write_parquet(tmp_path / "a")

    with pytest.raises(ValueError, match=r"lacks \['method', 'score'\]"):
        read_scores(tmp_path / "a")


def test_predictions_round_trip(tmp_path):
    predictions = {"zero_shot": np.array([1, 0, 2]), "lp": np.array([1, 1, 2])}
    write_predictions(
        tmp_path / "p", predictions, np.array([1, 0, 0]), not_applicable={"plp": "no text"}
    )
    back, labels, reasons = read_predictions(tmp_path / "p")

    assert list(back) == ["lp", "zero_shot"]
    for name, values in predictions.items():
        np.testing.assert_array_equal(back[name], values)
    np.testing.assert_array_equal(labels, [1, 0, 0])
    assert reasons == {"plp": "no text"}


def changed_table(path, **columns):
    """A table of two scores, with columns of another kind or metadata, as another program wrote."""
    metadata = columns.pop("metadata", {})
    frame = pl.DataFrame({"row": [0, 1], "method": ["a", "a"], "score": [0.5, 1.0]} | columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, metadata=metadata)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": ["1", "2"]}, "column 'score' of .* must be Float64 or Float32, got String; sc"),
        ({"row": [0.0, 1.0]}, "column 'row' of .* must be Int64 or Int32, got Float64; score aga"),
        ({"method": [1, 1]}, "column 'method' of .* must be String, got Int64; score again"),
        ({"score": [0.5, None]}, "'score' of .* must have a value in every row, 1 have none; sco"),
        ({"score": [0.5, np.nan]}, "holds scores that are not finite under a; score again"),
        ({"metadata": {"not_applicable": "{"}}, "'not_applicable' in the metadata of .* in JSON"),
        ({"metadata": {"not_applicable": "[1]"}}, r"a mapping in JSON, got '\[1\]'; score again"),
        ({"metadata": {"not_applicable": '{"b": 3}'}}, "why 'b' does not apply as a text, got 3"),
    ],
)
def test_a_table_of_another_kind_says_what_is_wrong(tmp_path, columns, message):
    path = tmp_path / "tiny" / "greek.parquet"
    changed_table(path, **columns)
    with pytest.raises(ValueError, match=f"{message}.*`dvc repro -f score@tiny-greek`"):
        read_scores(path)


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1" + 20 * b"\0" + b"PAR1"])
@pytest.mark.parametrize("read", [read_scores, read_predictions])
def test_a_file_that_is_no_parquet_is_named(tmp_path, content, read):
    path = tmp_path / "tiny" / "greek.parquet"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a Parquet table .* -f score@tiny-greek`"):
        read(path)


def test_predictions_of_another_kind_say_what_is_wrong(tmp_path):
    path = tmp_path / "tiny" / "greek.parquet"
    write_predictions(path, {"lp": np.zeros(2, np.int32)}, np.zeros(2, np.int32))
    frame = pl.read_parquet(path)
    frame.with_columns(pl.col("label").cast(pl.String)).write_parquet(path)
    with pytest.raises(ValueError, match="column 'label' of .* must be Int64 or Int32, got String"):
        read_predictions(path)
