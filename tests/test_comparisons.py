"""What may be called a difference: p against full counts, tests by deployment, models that collapse, and shares and correlations
of samples that are no independent draws. Each says what a plain way would say of the same data."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from flowgen_analysis.analysis.compare import compare, is_difference, paired, verdict
from flowgen_analysis.analysis.grid import Grid
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.sign_flip import sign_flip_p

SIZES = (12, 23, 33, 54, 108)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 2)), max_size=9))
def test_sign_flips_are_counted_exactly(differences):
    d = np.array(differences)
    signed = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in product((1, -1), repeat=len(d))]
    expected = np.mean([s >= abs(d.sum()) - 1e-9 for s in signed])
    assert np.isclose(sign_flip_p(d), expected, rtol=0, atol=1e-12)


def counted(units: list[int]) -> float:
    """The two-sided p of whole numbers, in whole numbers."""
    ways = {0: 1}
    for unit in units:
        more: dict[int, int] = {}
        for total, count in ways.items():
            for sign in (unit, -unit):
                more[total + sign] = more.get(total + sign, 0) + count
        ways = more
    reached = abs(sum(units))
    return float(Fraction(sum(c for total, c in ways.items() if abs(total) >= reached), 2 ** len(units)))


LATTICES = {
    "one size": (np.repeat([1, -1], [38, 22]), 0.1),
    "hundredths": (np.random.default_rng(0).integers(-20, 26, 60), 0.01),
    "thirds and quarters": (np.random.default_rng(1).choice([-8, -4, -3, 3, 4, 6, 9], 108), 1 / 12),
    "an odd step": (np.random.default_rng(2).integers(-40, 50, 300), 0.0173),
}


@pytest.mark.parametrize("name", LATTICES)
def test_p_on_a_lattice_is_exact(name):
    """Sixty differences of one size, 22 of them negative: a saddlepoint says 0.039, the binomial test 0.052."""
    units, step = LATTICES[name]
    units = units[units != 0]
    assert abs(sign_flip_p(units * step) - counted(units.tolist())) < 1e-12


def test_p_of_few_sizes_is_exact():
    sizes, counts = np.array([0.1, np.sqrt(2) / 10, np.pi / 10]), np.array([30, 25, 20])
    losing = np.array([8, 9, 7])
    d = np.concatenate([np.repeat([s, -s], [n - k, k]) for s, n, k in zip(sizes, counts, losing, strict=True)])
    grid = np.indices(counts + 1).reshape(3, -1)
    ways = np.prod([stats.binom.pmf(k, n, 0.5) for k, n in zip(grid, counts, strict=True)], axis=0)
    sums = ((counts - 2 * grid.T) * sizes).sum(axis=1)
    assert abs(sign_flip_p(d) - ways[np.abs(sums) >= abs(d.sum()) - 1e-9].sum()) < 1e-12


def drawn(d: np.ndarray, draws: int = 2_000_000) -> float:
    """p from signings drawn."""
    rng, sums = np.random.default_rng(9), np.zeros(draws, np.float32 if d.size > 4000 else float)
    for start in range(0, d.size, 8):
        own = d[start : start + 8]
        signed = np.array(list(product((1, -1), repeat=own.size))) @ own
        sums += signed[rng.integers(0, signed.size, draws)]
    return float((np.abs(sums) >= abs(d.sum()) - 1e-9).mean())


def shapes(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Differences as models have them: about `n` of them."""
    few = max(1, n // 20)
    return {
        "normal": rng.normal(1.8 / np.sqrt(n), 1, n),
        "collapse": np.append(np.abs(rng.normal(0.04, 0.03, n - few)), -rng.uniform(0.5, 0.9, few)),
        "heavy": 0.1 * rng.standard_t(2, n) + 0.2 / np.sqrt(n),
        "one large": np.append(rng.normal(1.2 / n, 0.02, n), -0.7),
    }


def check_near(n: int) -> None:
    for name, d in shapes(n, np.random.default_rng(n)).items():
        told, peer = sign_flip_p(d), drawn(d)
        scatter = 3 * np.sqrt(peer * (1 - peer) / 2_000_000)
        assert abs(told - peer) <= 0.03 * peer + scatter, (name, n, told, peer)


@pytest.mark.parametrize("n", [21, 54])
def test_p_is_near_two_million_signings(n):
    check_near(n)


@pytest.mark.verify
@pytest.mark.parametrize("n", [22, 25, 33, 40, 80, 108, 300, 1000, 2500])
def test_p_is_near_two_million_signings_at_every_size(n):
    check_near(n)


@pytest.mark.parametrize("n", [6, 20, 21, 60, 400, 3000])
def test_p_knows_no_order_and_no_side(n):
    rng = np.random.default_rng(n)
    d = rng.normal(0.1, 0.3, n)
    found = {sign_flip_p(x) for x in (d, d[::-1], -d, rng.permutation(d), np.append(d, 0.0))}
    assert max(found) - min(found) <= 1e-12 * max(found)


def index_of(scores: np.ndarray, features: np.ndarray | None = None, clusters: np.ndarray | None = None) -> SliceIndex:
    features = np.ones((len(scores), 1), bool) if features is None else features
    names = [f"f{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(features.shape[1])]
    return SliceIndex.from_arrays(features, names, scores, ["a", "b"], clusters=clusters)


def grid_p(index: SliceIndex) -> float:
    return Grid(index).differences(index.sets("")[0], "b")[0].p


@pytest.mark.parametrize("n", [5, 20, 33, 108, 1500, 2500])
def test_a_table_and_an_explorer_say_the_same(n):
    rng = np.random.default_rng(n)
    scores = np.clip(rng.normal(0.6, 0.2, (n, 2)), 0, 1)
    scores[rng.random(n) < 0.1] = 0.5
    scores[0, 0] = np.nan
    for clusters in (None, rng.integers(0, 12, n)):
        index = index_of(scores, clusters=clusters)
        told, cell = compare(index).row(0, named=True), Grid(index).differences(index.sets("")[0], "b")[0]
        assert {f: told[f] for f in cell._fields} == pytest.approx(cell._asdict())


def deployments(icc: float, rng: np.random.Generator) -> np.ndarray:
    """Scores of 107 samples of each of ten deployments, two equal models, whose differences resemble each other within one."""
    d = np.repeat(rng.normal(0, np.sqrt(icc), 10), 107) + rng.normal(0, np.sqrt(1 - icc), 1070)
    base = rng.uniform(0.4, 0.6, 1070)
    return np.column_stack([base + 0.05 * d, base])


def false_by_deployment(icc: float, runs: int) -> tuple[float, float]:
    """How often two equal models differ at 5%: by sample, and by deployment."""
    rng, groups, found = np.random.default_rng(round(100 * icc)), np.repeat(np.arange(10), 107), np.zeros((runs, 2))
    for run in found:
        scores = deployments(icc, rng)
        by_one = index_of(scores, clusters=groups)
        told = compare(by_one).row(0, named=True)
        assert told["units"] == 10
        assert grid_p(by_one) == told["p"]
        run[:] = sign_flip_p(scores[:, 0] - scores[:, 1]) < 0.05, told["p"] < 0.05
    plain, clustered = found.mean(axis=0).tolist()
    return plain, clustered


def test_by_deployment_a_difference_that_is_none_is_seldom_called_one():
    plain, clustered = false_by_deployment(0.03, 250)
    assert plain > 0.25
    assert clustered < 0.09


@pytest.mark.verify
@pytest.mark.parametrize(("icc", "expected"), [(0.01, 0.17), (0.03, 0.35), (0.10, 0.58)])
def test_by_deployment_the_level_holds(icc, expected):
    plain, clustered = false_by_deployment(icc, 4000)
    assert abs(plain - expected) < 0.04
    assert 0.035 < clustered < 0.065


def test_paired_intervals_hold_and_p_is_flat_under_the_null():
    rng = np.random.default_rng(0)
    found = [paired(a, a + rng.normal(0.05, 0.2, 15)) for a in rng.random((400, 15))]
    assert np.mean([f.low <= -0.05 <= f.high for f in found]) > 0.92
    p = [paired(a, a + rng.normal(0, 0.2, 12)).p for a in rng.random((300, 12))]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def collapsing(n: int, rng: np.random.Generator, spread: float = 0.0, rate: float = 0.05) -> np.ndarray:
    """Two models of equal mean: the first gains some four points, but scores 0 on a twentieth of the samples."""
    base = rng.beta(6, 2.6, n)
    gain = rate * 6 / 8.6 / (1 - rate)
    better = base + gain + spread * rng.normal(0, 1, n)
    return np.column_stack([np.where(rng.random(n) < rate, 0.0, better), base])


def called(n: int, runs: int, spread: float = 0.0, gain: float | None = None) -> tuple[float, float]:
    """How often one is called better: by p alone, and by `is_difference`. gain: of the first on every sample, without collapse."""
    rng, found = np.random.default_rng(n), np.zeros((runs, 2))
    for run in found:
        scores = collapsing(n, rng, spread)
        if gain is not None:
            scores[:, 0] = scores[:, 1] + gain + spread * rng.normal(0, 1, n)
        told = compare(index_of(scores)).row(0, named=True)
        run[:] = told["q"] < 0.05, is_difference(told)
    plain, marked = found.mean(axis=0).tolist()
    return plain, marked


def test_a_model_that_collapses_is_not_called_better():
    plain, marked = called(12, 200)
    assert plain > 0.4
    assert marked <= 0.02
    plain, marked = called(33, 200)
    assert plain > 0.12
    assert marked <= 0.06


def test_a_gain_of_four_points_on_all_samples_is_found():
    assert called(108, 60, 0.05, gain=0.04) > (0.95, 0.95)


@pytest.mark.verify
@pytest.mark.parametrize("spread", [0.0, 0.05])
@pytest.mark.parametrize("n", SIZES)
def test_a_model_that_collapses_is_not_called_better_at_any_size(n, spread):
    """By p alone 55% (n = 12) to 9% (n = 108); 0.95 to the 54 is 6.3%: so many tables of 54 samples hold no collapse."""
    plain, marked = called(n, 2000, spread)
    assert plain > 0.07
    assert marked <= 0.0627 + 3 * np.sqrt(0.0627 * 0.9373 / 2000)
    assert n == 54 or marked <= 0.05


def table_of(rng: np.random.Generator, spread: float) -> list[dict]:
    """49 rows over 108 samples of two models of equal mean."""
    features = rng.random((108, 48)) < rng.uniform(0.05, 0.5, 48)
    index = index_of(collapsing(108, rng, spread), features)
    return compare(index, slices=["", *index.names]).to_dicts()


def test_a_table_of_49_rows_holds_no_false_better():
    rng = np.random.default_rng(0)
    tables = [table_of(rng, 0.05) for _ in range(25)]
    plain = np.mean([any(r["q"] is not None and r["q"] < 0.05 for r in t) for t in tables])
    assert plain > 0.6
    assert np.mean([any(map(is_difference, t)) for t in tables]) <= 0.08
    assert {verdict(r) for t in tables for r in t} >= {"fragile", "none"}


@pytest.mark.verify
@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_of_many_tables_few_hold_a_false_better(spread):
    rng = np.random.default_rng(1)
    tables = [table_of(rng, spread) for _ in range(400)]
    assert np.mean([any(map(is_difference, t)) for t in tables]) <= 0.05


def test_q_of_the_level_is_no_difference():
    row = {"n": 20, "smallest_p": 0.0, "difference": 0.1, "p": 0.01, "q": 0.05, "q_collapse": 0.01}
    assert not is_difference(row)
    assert verdict(row) == "none"
    assert not is_difference(row | {"q": 0.01, "q_collapse": 0.05})
