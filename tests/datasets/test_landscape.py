import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skestimators.datasets import make_protein_landscape
from skestimators.metrics import spearman_score
from skestimators.preprocessing import MutantSequenceBuilder

AMINO_ACIDS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype=np.uint8)


def one_hot(sequences):
    letters = np.frombuffer("".join(sequences.ravel()).encode(), dtype=np.uint8)
    encoded = letters.reshape(len(sequences), -1)[:, :, None] == AMINO_ACIDS
    return encoded.reshape(len(sequences), -1).astype(float)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("max_mutations", [1, 3])
def test_signal_can_be_learned_up_to_the_noise(seed, max_mutations):
    landscape = make_protein_landscape(
        800, length=60, max_mutations=max_mutations, random_state=seed
    )
    model = make_pipeline(
        MutantSequenceBuilder(landscape.wild_type),
        FunctionTransformer(one_hot),
        Ridge(),
    )
    predicted = cross_val_predict(model, landscape.data, landscape.target, cv=3)
    reached = spearman_score(landscape.target, predicted)
    ceiling = spearman_score(landscape.target, landscape.target_true)
    assert 0.5 < reached < ceiling < 1


def test_variants_differ_and_fit_the_wild_type():
    landscape = make_protein_landscape(
        400, length=30, max_mutations=4, n_pool=300, random_state=0
    )
    codes = np.concatenate([landscape.data, landscape.pool])
    assert len(codes) == len(set(codes)) == 700
    builder = MutantSequenceBuilder(landscape.wild_type)
    sequences = builder.fit_transform(codes)
    assert len(set(sequences.ravel())) == 700
    np.testing.assert_array_equal(builder.inverse_transform(sequences).ravel(), codes)
    counts = np.bincount([code.count(":") + 1 for code in codes])
    assert counts.tolist() == [0, 175, 175, 175, 175]
    # Measured variants and pool are drawn from the same variants.
    measured = np.bincount([code.count(":") for code in landscape.data])
    assert measured.min() > 70
    assert landscape.pool_true.shape == (300,)


@pytest.mark.parametrize(
    ("n_variants", "length", "max_mutations"), [(57, 3, 1), (3 * 19 + 3 * 361, 3, 2)]
)
def test_all_variants_can_be_drawn(n_variants, length, max_mutations):
    params = {"length": length, "max_mutations": max_mutations, "random_state": 0}
    codes, _ = make_protein_landscape(n_variants, return_X_y=True, **params)
    assert len(set(codes)) == n_variants
    with pytest.raises(ValueError, match=f"has only {n_variants} with max_mutations"):
        make_protein_landscape(n_variants, n_pool=1, **params)


def test_random_state_determines_all():
    params = {"n_variants": 50, "n_pool": 20}
    first = make_protein_landscape(**params, random_state=3)
    again = make_protein_landscape(**params, random_state=np.random.RandomState(3))
    other = make_protein_landscape(**params, random_state=4)
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert first.wild_type != other.wild_type


def test_noise_is_heteroscedastic():
    landscape = make_protein_landscape(20_000, noise=0.2, random_state=0)
    error = landscape.target - landscape.target_true
    for low, high in [(-1, 0.05), (0.45, 0.55), (0.95, 2)]:
        rows = (landscape.target_true > low) & (landscape.target_true < high)
        expected = 0.2 * (1.5 - landscape.target_true[rows].mean())
        assert error[rows].std() == pytest.approx(expected, rel=0.1)
        assert landscape.target_std[rows].mean() == pytest.approx(expected, rel=0.01)
    silent = make_protein_landscape(50, noise=0, random_state=0)
    np.testing.assert_array_equal(silent.target, silent.target_true)


def test_scores_are_shares_of_the_wild_type():
    landscape = make_protein_landscape(2000, max_mutations=3, random_state=0)
    true = landscape.target_true
    assert true.min() >= 0
    assert true.max() < 1.1
    # Both ends of the sigmoid are populated, so ranks matter everywhere.
    assert (true < 0.1).mean() > 0.1
    assert (true > 0.8).mean() > 0.1
    number = np.array([code.count(":") for code in landscape.data])
    assert (
        true[number == 0].mean() > true[number == 1].mean() > true[number == 2].mean()
    )


def test_epistasis_is_between_touching_sites():
    length = 12
    n_all = 19 * length + 361 * length * (length - 1) // 2
    landscape = make_protein_landscape(n_all, length=length, random_state=1, noise=0)
    # A logit undoes the sigmoid, up to the scores that round to its ends.
    wild_type_share = 1 / (1 + np.exp(-2 / 0.6))
    share = landscape.target * wild_type_share
    energy = dict(
        zip(landscape.data, 2 - 0.6 * np.log(share / (1 - share)), strict=True)
    )
    touching = set(map(tuple, landscape.contacts.tolist()))
    gaps = {True: [], False: []}
    for code, value in energy.items():
        if ":" in code:
            one, two = code.split(":")
            pair = int(one[1:-1]), int(two[1:-1])
            gaps[pair in touching].append(value - energy[one] - energy[two])
    assert touching
    np.testing.assert_allclose(gaps[False], 0, atol=1e-6)
    assert np.std(gaps[True]) > 0.1


def test_burial_makes_some_sites_matter_more():
    landscape = make_protein_landscape(1900, max_mutations=1, random_state=0)
    site = np.array([int(code[1:-1]) for code in landscape.data])
    means = np.bincount(site, weights=landscape.target_true)[1:] / 19
    assert means.std() > 0.15


@pytest.mark.parametrize("as_frame", [False, True])
def test_containers(as_frame):
    params = {"n_variants": 20, "random_state": 0, "as_frame": as_frame}
    landscape = make_protein_landscape(**params)
    X, y = make_protein_landscape(**params, return_X_y=True)
    if as_frame:
        pd.testing.assert_frame_equal(X, landscape.data)
        pd.testing.assert_series_equal(y, landscape.target)
        assert landscape.frame.columns.tolist() == ["mutant", "score"]
        assert landscape.feature_names == landscape.data.columns.tolist() == ["mutant"]
        plain = make_protein_landscape(20, random_state=0)
        assert landscape.frame["mutant"].tolist() == plain.data.tolist()
    else:
        np.testing.assert_array_equal(X, landscape.data)
        np.testing.assert_array_equal(y, landscape.target)
        assert landscape.frame is None
        assert X.dtype == object
    builder = MutantSequenceBuilder(landscape.wild_type)
    assert builder.fit_transform(landscape.data).shape == (20, 1)


@pytest.mark.parametrize("length", [2, 3, 5, 20])
def test_short_proteins(length):
    landscape = make_protein_landscape(
        20, length=length, max_mutations=9, random_state=0
    )
    assert len(landscape.wild_type) == length
    assert np.isfinite(landscape.target).all()


@pytest.mark.parametrize(
    "params",
    [{"n_variants": 0}, {"length": 1}, {"max_mutations": 0}, {"noise": -1}],
    ids=str,
)
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        make_protein_landscape(**params)
