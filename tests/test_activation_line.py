"""Activation search as its users run it, from images or a table to the activation."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from activation_instances import DIGITS, PIXELS, SPACE, X, Y, small
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skestimators import (
    ActivationDisplay,
    ActivationSearchNet,
    TorchMLPRegressor,
    UnaryEdge,
)

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

BYTES = np.round(PIXELS * 255).astype(np.uint8)
FLOATS = BYTES.astype(np.float32) / np.float32(255)
IMAGES = BYTES.reshape(-1, 8, 8, 1)
PHOTOS = np.random.default_rng(0).integers(0, 256, (40, 18, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def net():
    return small(max_epochs=20, learning_rate=0.1, validation_fraction=0.3).fit(X, Y)


@pytest.fixture(scope="module")
def image_net():
    return small(image_shape=(8, 8), learning_rate=0.1).fit(BYTES, DIGITS)


FORMS = {
    "floats": (FLOATS, (8, 8)),
    "a frame": (pd.DataFrame(BYTES), (8, 8)),
    "one channel": (BYTES, (8, 8, 1)),
    "with a shape": (IMAGES, (8, 8)),
    "images": (IMAGES, None),
    "integers": (IMAGES.astype(np.int64), None),
    "float images": (FLOATS.reshape(-1, 8, 8, 1), None),
    "lists": (BYTES.tolist(), [8, 8]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_images(image_net, form):
    pixels, image_shape = FORMS[form]
    net = small(image_shape=image_shape, learning_rate=0.1).fit(pixels, DIGITS)
    assert net.input_shape_ == (8, 8, 1)
    assert net.n_features_in_ == 64
    expected = image_net.predict_proba(BYTES)
    assert_allclose(net.predict_proba(pixels), expected, rtol=1e-6)
    # Images may be predicted in another form than those of `fit`.
    assert_allclose(image_net.predict_proba(pixels), expected, rtol=1e-6)


def test_images_of_two_colours():
    bits = FLOATS > 0.5
    net = small(image_shape=(8, 8))
    expected = clone(net).fit(bits.astype(float), DIGITS).predict_proba(bits * 1.0)
    assert_array_equal(net.fit(bits, DIGITS).predict_proba(bits), expected)


def test_images_are_learned(image_net):
    assert image_net.score(BYTES, DIGITS) > 0.8
    assert isinstance(image_net.network_[1][0], torch.nn.Conv2d)
    labels = np.where(PHOTOS.mean(axis=(1, 2, 3)) > 127, "bright", "dark")
    net = small().fit(PHOTOS, labels)
    assert net.input_shape_ == (18, 16, 3)
    assert set(net.predict(PHOTOS)) <= {"bright", "dark"}
    assert net.predict_proba(PHOTOS.reshape(40, -1)).shape == (40, 2)


def test_the_battery_on_images(image_net):
    proba = image_net.predict_proba(IMAGES)
    assert proba.dtype == np.float64
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    order = np.random.default_rng(0).permutation(150)
    assert_array_equal(image_net.predict_proba(IMAGES[order]), proba[order])
    for rows in (slice(1), slice(7, 9)):
        assert_array_equal(image_net.predict_proba(IMAGES[rows]), proba[rows])
    again = clone(image_net).fit(BYTES, DIGITS)
    assert_array_equal(again.predict_proba(IMAGES), proba)
    assert_array_equal(again.fit(BYTES, DIGITS).predict_proba(IMAGES), proba)
    loaded = pickle.loads(pickle.dumps(image_net))
    assert_array_equal(loaded.predict_proba(IMAGES), proba)
    assert loaded.get_params() == image_net.get_params()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        clone(image_net).predict(IMAGES)


def test_the_frame_of_a_table_gives_names():
    frame = pd.DataFrame(X, columns=["left", "right"])
    net = small().fit(frame, Y)
    assert net.feature_names_in_.tolist() == ["left", "right"]
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[["right", "left"]])


def test_search_over_spaces_in_a_pipeline():
    spaces = [SPACE, UnaryEdge(operations=["tanh", "sin"])]
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(clip=True), small(image_shape=(8, 8))),
        {
            "activationsearchnet__search_space": spaces,
            "activationsearchnet__max_epochs": [1, 2],
        },
        cv=2,
        error_score="raise",
    ).fit(16 * PIXELS, DIGITS)
    assert len(search.cv_results_["params"]) == 4
    best = search.best_params_
    assert search.best_estimator_[-1].n_iter_ == best["activationsearchnet__max_epochs"]
    assert best["activationsearchnet__search_space"] in spaces


def test_metadata_is_routed():
    groups = np.arange(len(X)) // 6
    with sklearn.config_context(enable_metadata_routing=True):
        net = small(max_epochs=9, learning_rate=0.1)
        net.set_fit_request(groups=True, sample_weight=True)
        net.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        scores = cross_val_score(
            make_pipeline(scaler, net),
            X,
            Y,
            cv=GroupKFold(3),
            params={"groups": groups, "sample_weight": np.arange(1.0, 121.0)},
            error_score="raise",
        )
    assert scores.min() > 0.5


def test_callbacks_hear_of_both_kinds_of_epochs(capsys, monkeypatch):
    monitor = ScoringMonitor(scoring="accuracy")
    net = small(early_stopping=False, max_epochs=4, image_shape=(8, 8))
    net.set_callbacks(monitor).fit(BYTES, DIGITS)
    tasks = monitor.get_logs().data_as_pandas["task_name"].value_counts()
    assert tasks["search epoch"] == 2
    assert tasks["epoch"] == 4
    monkeypatch.setenv("COLUMNS", "200")
    bar = ProgressBar(max_propagation_depth=None)
    net.set_callbacks(bar).fit(BYTES, DIGITS)
    assert "ActivationSearchNet" in capsys.readouterr().out
    still = small(search_space=UnaryEdge(operations=["relu"]))
    monitor = ScoringMonitor(scoring="accuracy")
    still.set_callbacks(monitor).fit(X, Y)
    names = monitor.get_logs().data_as_pandas["task_name"]
    assert "search epoch" not in set(names)


class ConvolutionTwice(torch.nn.Module):
    """A network of one's own, with the activation in two places."""

    def __init__(self, input_shape, n_outputs, activation):
        super().__init__()
        self.first = torch.nn.Conv2d(input_shape[0], 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.last = torch.nn.Linear(4, n_outputs)
        self.activations = torch.nn.ModuleList([activation(4), activation(4)])

    def forward(self, x):
        first, second = self.activations
        return self.last(second(first(self.norm(self.first(x))).mean((2, 3))))


def test_a_network_of_ones_own():
    net = small(module=ConvolutionTwice, image_shape=(8, 8), learning_rate=0.1)
    net.fit(BYTES, DIGITS)
    assert isinstance(net.network_[1], ConvolutionTwice)
    assert net.predict_proba(BYTES).shape == (150, 3)
    weights = net.network_.named_parameters()
    betas = [weight for name, weight in weights if name.endswith("outcome.beta")]
    assert [len(beta) for beta in betas] == [4, 4]
    mean = net.activation_.outcome.beta.item()
    assert mean == pytest.approx(torch.cat(betas).mean().item())
    loaded = pickle.loads(pickle.dumps(net))
    assert_array_equal(loaded.predict_proba(IMAGES), net.predict_proba(BYTES))
    rows = small(
        module=lambda shape, n, activation: torch.nn.Sequential(
            torch.nn.Linear(*shape, 7), activation(7), torch.nn.Linear(7, n)
        )
    )
    assert rows.fit(X, Y).predict_proba(X).shape == (120, 2)


def test_baselines(net):
    table = net.compare_baselines(X, Y, baselines=("relu", "random"), n_repeats=2)
    assert table.index.name == "activation"
    assert table.index.tolist() == ["found", "relu", "random"]
    scores = table[["score_0", "score_1"]]
    assert table.columns.tolist() == [
        "expression",
        "mean_score",
        "standard_error",
        *scores.columns,
    ]
    assert_allclose(table["mean_score"], scores.mean(axis=1))
    assert_allclose(table["standard_error"], scores.sem(axis=1))
    assert table.loc["relu", "expression"] == "max(x, 0)"
    again = net.compare_baselines(X, Y, baselines=("relu", "random"), n_repeats=2)
    pd.testing.assert_frame_equal(table, again)


def test_baselines_have_the_same_seeds_and_budget():
    relu = small(search_space=UnaryEdge(operations=["relu"])).fit(X, Y)
    table = relu.compare_baselines(
        X[:80], Y[:80], X_test=X[80:], y_test=Y[80:], baselines=("relu", "tanh")
    )
    assert_array_equal(table.loc["found"].iloc[1:], table.loc["relu"].iloc[1:])
    assert table.loc["found", "score_0"] != table.loc["found", "score_1"]
    once = relu.compare_baselines(pd.DataFrame(X), Y.tolist(), n_repeats=1)
    assert once["standard_error"].isna().all()
    assert once.index.tolist() == ["found", "relu", "silu", "gelu", "tanh", "random"]
    images = small(image_shape=(8, 8)).fit(BYTES, DIGITS)
    table = images.compare_baselines(IMAGES, DIGITS, baselines=("gelu",), n_repeats=1)
    assert table.shape == (2, 4)


def test_baselines_keep_groups_together(net, monkeypatch):
    groups = np.random.default_rng(0).integers(0, 12, 120)
    fits = []
    fit, score = ActivationSearchNet.fit, ActivationSearchNet.score

    def spy_fit(self, X, y, sample_weight=None, groups=None):
        fits.append(set(groups))
        return fit(self, X, y, sample_weight, groups)

    def spy_score(self, rows, y):
        tested = {groups[(row == X).all(axis=1)].item() for row in rows}
        assert not tested & fits[-1]
        assert len(tested) == 3
        return score(self, rows, y)

    monkeypatch.setattr(ActivationSearchNet, "fit", spy_fit)
    monkeypatch.setattr(ActivationSearchNet, "score", spy_score)
    net.compare_baselines(X, Y, groups=groups, baselines=("relu",), n_repeats=2)
    assert len(fits) == 4


def test_the_plot_of_a_search(net):
    display = ActivationDisplay.from_estimator(net)
    assert display.expression == net.expression_
    assert set(display.weights) == set(net.alphas_)
    assert_allclose(display.weights["unary1"].sum(axis=1), 1)
    with torch.no_grad():
        values = net.activation_(torch.tensor(display.grid, dtype=torch.float32))
    assert_allclose(display.values, values, atol=1e-5)
    plt.close("all")


def test_the_activation_in_another_network(net):
    mlp = TorchMLPRegressor(
        (8, 4), activation=net.activation_, max_epochs=20, random_state=0
    )
    beta = net.activation_.outcome.beta
    before = beta.item()
    fitted = clone(mlp).fit(X, Y)
    assert beta.item() == before
    copies = [p for n, p in fitted.network_.named_parameters() if n.endswith("beta")]
    assert all(beta.item() != before for beta in copies if beta.numel() == 1)
    assert len({id(beta) for beta in copies}) == len(copies) >= 2
    assert_array_equal(clone(mlp).fit(X, Y).predict(X), fitted.predict(X))
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
