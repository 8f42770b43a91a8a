import pickle
import sys
import types

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone

from skestimators.feature_extraction import ESMEmbedder
from skestimators.feature_extraction._esm_engine import window_bounds

SMALL = "esm2_t6_8M_UR50D"
MIXED = (5, 50, 50, 131, 17, 300, 1, 50)


@pytest.fixture(scope="module")
def network(checkpoints):
    return checkpoints[SMALL][0]


@pytest.fixture
def embedder(checkpoints):
    weights = checkpoints[SMALL][1]
    # Not "auto", which is bfloat16 on some graphics cards.
    return ESMEmbedder(weights=weights, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def mixed(make_sequences):
    return make_sequences(MIXED)


@pytest.mark.parametrize("model", ["esm2_t6_8M_UR50D", "esm2_t12_35M_UR50D"])
def test_float32_agrees_with_fair_esm(model, checkpoints, fair_esm_tokens, mixed):
    network, path = checkpoints[model]
    layers = [0, 2, network.num_layers]
    theirs = fair_esm_tokens(network, mixed, layers)
    embedder = ESMEmbedder(model, weights=path, device="cpu", dtype="float32")
    embedder.fit(mixed)
    expected = [tokens[1:-1].mean(0) for tokens in theirs[layers[-1]]]
    np.testing.assert_allclose(embedder.transform(mixed), expected, atol=1e-5)

    embedder.set_params(layers=layers).fit(mixed)
    for ours, *of_layers in zip(
        embedder.per_residue(mixed), *theirs.values(), strict=True
    ):
        expected = np.hstack([tokens[1:-1] for tokens in of_layers])
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean", lambda tokens: tokens[1:-1].mean(0)),
        ("mean_with_special", lambda tokens: tokens.mean(0)),
        ("max", lambda tokens: tokens[1:-1].max(0)),
        ("bos", lambda tokens: tokens[0]),
    ],
)
def test_pooling_and_layers(pooling, pool, embedder, network, fair_esm_tokens, mixed):
    theirs = fair_esm_tokens(network, mixed, [6, 3, 0])
    embedder.set_params(pooling=pooling, layers=[-1, 3, -7]).fit(mixed)
    expected = np.hstack([[pool(t) for t in tokens] for tokens in theirs.values()])
    ours = embedder.transform(mixed)
    assert ours.dtype == np.float32
    assert len(embedder.get_feature_names_out()) == ours.shape[1] == 3 * 320
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    last = embedder.set_params(layers=-1).fit(mixed).transform(mixed)
    np.testing.assert_allclose(last, ours[:, :320], atol=1e-5)


def test_batches_order_and_repetition_do_not_matter(embedder, mixed):
    expected = embedder.fit(mixed).transform(mixed)
    for tokens_per_batch in (1, 120, 100_000):
        embedder.set_params(tokens_per_batch=tokens_per_batch)
        np.testing.assert_allclose(embedder.transform(mixed), expected, atol=1e-5)
    np.testing.assert_allclose(
        embedder.transform(mixed[::-1] + mixed), [*expected[::-1], *expected], atol=1e-5
    )


def test_n_jobs_sets_threads_for_the_call_only(embedder, mixed):
    import torch

    before = torch.get_num_threads()
    expected = embedder.fit(mixed).transform(mixed)
    actual = embedder.set_params(n_jobs=1).transform(mixed)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
@pytest.mark.parametrize("pooling", ["bos", "max"])
def test_small_types_pool_single_sequences(dtype, pooling, embedder, mixed):
    embedder.set_params(pooling=pooling).fit(mixed)
    expected = embedder.transform(mixed[:1])
    actual = embedder.set_params(dtype=dtype).transform(mixed[:1])
    np.testing.assert_allclose(actual, expected, atol=0.2)


def _centred_cosines(a, b):
    a, b = (x - x.mean(0) for x in (a, b))
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(("dtype", "cosine"), [("bfloat16", 0.999), ("int8", 0.99)])
def test_small_types_stay_close(dtype, cosine, embedder, mixed):
    expected = embedder.fit(mixed).transform(mixed)
    actual = embedder.set_params(dtype=dtype).fit(mixed).transform(mixed)
    assert actual.dtype == np.float32
    assert not np.array_equal(actual, expected)
    assert _centred_cosines(actual, expected).min() >= cosine


def test_windows_cover_each_residue_once_with_context():
    for length in [*range(1, 60), *range(1000, 6000), 35_000]:
        windows = window_bounds(length)
        assert [w[2] for w in windows] == [0, *(w[3] for w in windows[:-1])]
        assert windows[-1][3] == length
        for start, stop, low, high in windows:
            assert 0 <= start <= low < high <= stop <= length
            assert stop - start <= 1022
            assert start == low == 0 or low - start >= 128
            assert stop == high == length or stop - high >= 128


def test_long_sequences_are_windowed_and_stitched(embedder, make_sequences):
    (long,) = make_sequences([2500])
    embedder.fit([long])
    (residues,) = embedder.per_residue([long])
    assert residues.shape == (2500, 320)
    np.testing.assert_allclose(embedder.transform([long])[0], residues.mean(0), 1e-4)
    for start, stop, low, high in window_bounds(2500):
        (window,) = embedder.per_residue([long[start:stop]])
        np.testing.assert_allclose(
            residues[low:high], window[low - start : high - start], atol=1e-5
        )
    pooled = embedder.set_params(pooling="max").transform([long])[0]
    np.testing.assert_allclose(pooled, residues.max(axis=0), atol=1e-5)
    # The start token is the first window's, the end token the last one's.
    first, last = long[:1022], long[-1022:]
    bos = embedder.set_params(pooling="bos").transform([long, first, last])
    np.testing.assert_allclose(bos[0], bos[1], atol=1e-5)
    mean = embedder.set_params(pooling="mean").transform([last])[0]
    with_special = embedder.set_params(pooling="mean_with_special")
    end = with_special.transform([last])[0] * 1024 - mean * 1022 - bos[2]
    expected = (residues.sum(axis=0) + bos[0] + end) / 2502
    np.testing.assert_allclose(with_special.transform([long])[0], expected, atol=1e-5)


def test_truncate_and_refuse_long_sequences(embedder, make_sequences):
    long, right = make_sequences([1023, 1022])
    embedder.set_params(long_sequences="truncate").fit([long])
    np.testing.assert_allclose(
        embedder.transform([long]), embedder.transform([long[:1022]]), atol=1e-6
    )
    embedder.set_params(long_sequences="error").fit([right])
    with pytest.raises(ValueError, match=r"row 1 has 1023 residues.*'window'"):
        embedder.transform([right, long])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "row 1 is empty"),
        ("MKJA", r"row 1 has 'J' at position 3 .*on_unknown='unk'"),
        ("MK-A", "row 1 has '-' at position 3"),
        ("MKTa", r"row 1 has 'a' at position 4 .*upper"),
        ("MK TA", "row 1 has ' ' at position 3"),
        (None, "row 1"),
        (np.nan, "row 1"),
        (b"MK", "row 1"),
    ],
)
def test_bad_sequences_are_named(embedder, bad, message):
    with pytest.raises(ValueError, match=message):
        embedder.fit(["MKTA", bad])
    embedder.fit(["MKTA"])
    with pytest.raises(ValueError, match=message):
        embedder.transform(["MKTA", bad])


def test_unknown_residues_on_request(embedder, network, fair_esm_tokens):
    embedder.set_params(on_unknown="unk").fit(["MKTA"])
    known = embedder.transform(["MKXBUZOA"])
    (tokens,) = fair_esm_tokens(network, ["MKXBUZOA"], [6])[6]
    np.testing.assert_allclose(known[0], tokens[1:-1].mean(0), atol=1e-5)
    unknown = embedder.transform(["MKJA", "MK*A", "MK\u4e00A", "MK-A", "MK.A"])
    (tokens,) = fair_esm_tokens(network, ["MK<unk>A"], [6])[6]
    np.testing.assert_allclose(unknown[0], tokens[1:5].mean(0), atol=1e-5)
    np.testing.assert_array_equal(unknown[1:], unknown[[0] * 4])
    with pytest.raises(ValueError, match="'a' at position 1"):
        embedder.transform(["aKJ"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layers": 7}, r"layers=7: 7 is no layer of esm2_t6_8M_UR50D"),
        ({"layers": [1, -8]}, "-8 is no layer"),
        ({"layers": []}, "at least one layer"),
        ({"layers": [6, -1]}, "none twice"),
        ({"layers": [1.5]}, "1.5 is no layer"),
        ({"device": "gpu"}, "device='gpu' is no torch device"),
        ({"dtype": "int8", "device": "meta"}, "int8.*device='cpu'"),
    ],
)
def test_bad_parameters_are_named_by_fit(params, message):
    with pytest.raises(ValueError, match=message):
        ESMEmbedder(weights="random", random_state=0, **params).fit(["MKTA"])


def test_random_weights_warn_once_and_follow_the_seed(mixed):
    import torch

    embedder = ESMEmbedder(weights="random", random_state=3)
    with pytest.warns(UserWarning, match="untrained network"):
        embedder.fit(mixed)
    before = torch.random.get_rng_state()
    # A warning here would be an error.
    first = embedder.transform(mixed)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(clone(embedder).fit_transform(mixed), first)
    other = clone(embedder).set_params(random_state=4).fit_transform(mixed)
    assert np.abs(other - first).max() > 0.1
    np.testing.assert_array_equal(clone(embedder).fit_transform(mixed), first)


def test_random_weights_are_those_of_fair_esm(mixed, fair_esm_tokens):
    import esm
    import torch

    embedder = ESMEmbedder(weights="random", random_state=3).fit(mixed)
    with torch.random.fork_rng():
        torch.manual_seed(embedder.seed_)
        network = esm.ESM2(6, 320, 20, "ESM-1b").eval()
    expected = [t[1:-1].mean(0) for t in fair_esm_tokens(network, mixed, [6])[6]]
    np.testing.assert_allclose(embedder.transform(mixed), expected, atol=1e-5)


def test_pickle_holds_no_weights_and_fit_loads_none(embedder, mixed, monkeypatch):
    from skestimators.feature_extraction import _esm_engine

    expected = embedder.fit(mixed).transform(mixed)
    pickled = pickle.dumps(embedder)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(mixed), expected)

    def fail(*args):
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(_esm_engine, "load_network", fail)
    clone(embedder).fit(mixed).get_feature_names_out()


def test_one_network_serves_clones(embedder, mixed, monkeypatch):
    from skestimators.feature_extraction import _esm_weights

    embedder.fit(mixed).transform(mixed)
    monkeypatch.setattr(_esm_weights, "ESM2", None)
    clone(embedder).fit(mixed).transform(mixed)


def test_another_package_named_esm_is_told_apart(embedder, monkeypatch):
    monkeypatch.setitem(sys.modules, "esm", types.ModuleType("esm"))
    with pytest.raises(ImportError, match=r"fair-esm.*EvolutionaryScale"):
        embedder.fit(["MKTA"])


def test_progress_bar_on_request(embedder, mixed, capsys):
    embedder.fit(mixed).transform(mixed)
    assert capsys.readouterr().out == ""
    embedder.set_params(verbose=1).transform(mixed)
    assert "Embedding" in capsys.readouterr().out


@pytest.mark.parametrize(("dtype", "cosine"), [("bfloat16", 0.999), ("int8", 0.99)])
def test_small_types_tell_real_variants_apart(dtype, cosine, embedder, real_data):
    lines = real_data("beta_lactamase_P62593.fasta").read_text().splitlines()
    variants = sorted(set(lines[1::2]))[::100]
    expected = embedder.fit(variants).transform(variants)
    actual = embedder.set_params(dtype=dtype).transform(variants)
    assert _centred_cosines(actual, expected).min() >= cosine


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("auto", 0.05)])
def test_cuda_agrees_with_the_cpu(dtype, tolerance, embedder, mixed):
    expected = embedder.fit(mixed).transform(mixed)
    on_cuda = embedder.set_params(device="cuda", dtype=dtype).fit(mixed)
    np.testing.assert_allclose(on_cuda.transform(mixed), expected, atol=tolerance)


def test_threads_build_the_same_untrained_network(make_sequences):
    sequences = make_sequences([12] * 6)
    expected = ESMEmbedder(weights="random", random_state=1).fit(sequences)
    expected = expected.transform(sequences)
    others = [ESMEmbedder(weights="random", random_state=s) for s in (2, 1, 3, 1)]
    with parallel_config("threading", n_jobs=4):
        found = Parallel()(delayed(e.fit_transform)(sequences) for e in others)
    np.testing.assert_array_equal(found[1], expected)
    np.testing.assert_array_equal(found[3], expected)
    assert not np.allclose(found[0], found[2])
