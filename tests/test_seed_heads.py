"""Heads of further seeds are scored like the first one's, for the spread of AUROC over seeds."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World

from pipeline.detectors.fitting import FitParams
from pipeline.param_checks.method_parts import check_parts
from pipeline.params import from_mapping
from pipeline.statistics.metrics import auroc
from pipeline.storage.store import read_arrays, read_features
from pipeline.storage.write_store import write_arrays
from pipeline.training.head_files import write_heads
from pipeline.training.probe_recipe import ProbeParams
from stages import fit, probe, score

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text(encoding="utf-8"))
FIT = from_mapping(FitParams, CONF["fit"], section="fit")
FIT = dataclasses.replace(FIT, residuals=[*FIT.residuals, "plp_seed43"])
METHODS = {
    "plp_msp": {"score": "msp", "head": "plp"},
    "plp_msp_seed43": {"score": "msp", "head": "plp_seed43"},
    "plp_vim_seed43": {"score": "vim", "head": "plp_seed43"},
}
FITTED = {"gaussians": [], "residuals": ["plp_seed43"], "head_statistics": []}


def test_a_further_seed_has_a_head_that_is_fitted_and_scored(tmp_path):
    world = World(tmp_path)
    bank, text, pseudo_labels, heads = world.fit_inputs
    arrays, about = read_arrays(text)
    write_arrays(text, arrays, {**about, "names": "folders"})
    params = ProbeParams(epochs=3, batch_size=16, seeds=(42, 43), device="cpu")
    probes, summary = probe.run(bank, pseudo_labels, text, params)
    write_heads(heads, probes, summary)

    detector = fit.run(bank, text, pseudo_labels, heads, FIT)
    scores, _, _, reasons, *_ = score.run(detector, bank, tmp_path / "queries.zarr", METHODS)

    logits = probes["plp_seed43"].logits(read_features(tmp_path / "queries.zarr").features)
    logits = logits.astype(np.float64)
    largest = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).max(axis=1)
    log_odds = np.log(largest / (1 - largest))  # how msp keeps apart what rounds to 1
    np.testing.assert_allclose(scores["plp_msp_seed43"], log_odds, rtol=1e-4, atol=1e-5)
    assert set(scores) == set(METHODS)
    assert reasons == {}
    is_id = world.query_labels >= 0
    first, second = (auroc(scores[m][is_id], scores[m][~is_id]) for m in list(METHODS)[:2])
    assert first != second


def test_each_seed_draws_its_own_shots(tmp_path):
    """What a seed's few-shot head learned from is what it would be were it the only seed."""
    world = World(tmp_path)
    bank, text, pseudo_labels, _ = world.fit_inputs
    arrays, about = read_arrays(text)
    write_arrays(text, arrays, {**about, "names": "folders"})

    def train(*seeds):
        params = ProbeParams(epochs=2, batch_size=16, seeds=seeds, shots=4, device="cpu")
        return probe.run(bank, pseudo_labels, text, params)

    both, summary = train(42, 43)
    alone, _ = train(43)

    for name in ("few_shot", "lp"):
        for ours, theirs in zip(
            vars(both[f"{name}_seed43"]).values(), vars(alone[name]).values(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert not np.allclose(both["few_shot"].mean, both["few_shot_seed43"].mean, rtol=0.01)
    np.testing.assert_array_equal(both["lp"].mean, both["lp_seed43"].mean)
    assert [fit["seed"] for fit in summary["heads"]["few_shot"]["seeds"]] == [42, 43]
    assert summary["heads"]["few_shot"]["rows"] == 12


def test_methods_may_name_the_heads_of_the_seeds_that_are_trained():
    check_parts(METHODS, FITTED, seeds=(42, 43))

    for seeds in ((42,), (43,), (42, 44), ()):
        with pytest.raises(ValueError, match="'plp_seed43', which is never trained.* probe.seeds"):
            check_parts(METHODS, FITTED, seeds=seeds)
