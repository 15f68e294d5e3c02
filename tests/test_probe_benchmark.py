"""The benchmark of head training: what it times."""

import sys

from benchmarks import probe

WAYS = ("usual_loop", "ours", "bare_products")


def test_no_way_pays_for_the_start_of_the_device(monkeypatch, capsys):
    """Each has run on two batches of one epoch before the first is timed, on all of them."""
    heard = []
    for name in WAYS:

        def way(features, labels, classes, recipe, device, name=name):
            heard.append((name, len(features), recipe.epochs))

        monkeypatch.setattr(probe, name, way)
    options = "--rows 40 --width 4 --classes 3 --epochs 5 --batch 8 --device cpu"
    monkeypatch.setattr(sys, "argv", ["probe", *options.split()])

    probe.main()

    assert heard == [(name, 16, 1) for name in WAYS] + [(name, 40, 5) for name in WAYS]
    assert "samples/s" in capsys.readouterr().out
