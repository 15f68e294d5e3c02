"""Equal images get equal scores to the bit, whatever stands beside them and however many."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World
from threadpoolctl import threadpool_limits

from pipeline.detectors.bank import Bank
from pipeline.detectors.fitting import FitParams
from pipeline.detectors.neighbours import nearest
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.detectors.search import Search
from pipeline.geometry import unit_norm
from pipeline.params import from_mapping
from pipeline.scores import compute
from stages import fit

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
METHODS = copy.deepcopy(CONF["methods"])
METHODS["neglabel"]["groups"] = 4
RNG = np.random.default_rng(0)
# neighbours are found in float32, where OpenBLAS for AVX2 alone gives copies different last bits
COPIES = RNG.standard_normal((1, 96), np.float32).repeat(192, axis=0)
EVEN = len(np.unique(COPIES @ COPIES[:128].T)) == 1
ROUNDED = set() if EVEN else {"knn", "nnguide"}
SIZES = [1, 2, 3, 17, 50, 67, 300, 1100]


@pytest.fixture(scope="module", params=[8, 97])
def scored(request, tmp_path_factory):
    """Scores of any features by every method, on a bank of 90 images in shards of 32."""
    world = World(tmp_path_factory.mktemp("world"), width=request.param)
    detector = fit.run(*world.fit_inputs, from_mapping(FitParams, CONF["fit"], section="fit"))
    cuts = [(start, world.bank[start : start + 32]) for start in (0, 32, 64)]
    bank = Bank(90, lambda: iter(cuts), lambda: world.labels)

    def run(features):
        query = Query(features, detector, Search(features, bank, deepest=50))
        columns = {}
        for name, entry in METHODS.items():
            try:
                found = compute(query, name, entry)
            except NotApplicableError:
                assert name.startswith("ft_")
            else:
                columns |= {(entry["score"], column): found[column] for column in found}
        return columns

    return world, run


@pytest.mark.parametrize("threads", [1, 2])
def test_a_score_does_not_depend_on_the_other_images(scored, threads):
    world, run = scored
    image, others = world.queries[:1], np.tile(world.queries, (20, 1))
    alone = run(image)
    with threadpool_limits(threads, "blas"):
        for n in SIZES:
            among = others[:n].copy()
            among[::2] = image
            for (score, column), values in run(among).items():
                expected = np.full(-(-n // 2), alone[score, column])
                if score not in ROUNDED:
                    np.testing.assert_array_equal(values[::2], expected, err_msg=column)
                np.testing.assert_allclose(values[::2], expected, rtol=1e-6, err_msg=column)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("width", [97, 768])
def test_copies_are_equally_near_wherever_they_stand(threads, width):
    """Copies of one image among queries, and of another in the bank, in blocks of all sizes."""
    bank, queries = (unit_norm(RNG.standard_normal((n, width), np.float32)) for n in (2431, 1400))
    bank[::7] = unit_norm(queries[:1] + bank[:1])
    queries[::3] = queries[0]
    with threadpool_limits(threads, "blas"):
        for n in (1, 65, 1400):
            found = nearest(queries[:n], bank, k=300).similarities[::3]
            np.testing.assert_allclose(found, found[0, 0], rtol=1e-6)
            if EVEN:
                np.testing.assert_array_equal(found, found[0, 0])
