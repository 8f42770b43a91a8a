"""Bad input of ActivationSearchNet gets a message that says what would be right."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import NotFittedError
from torch import nn

from skestimators.neural_network import ActivationSearchNet, BinaryEdge, UnaryEdge

SPACE = UnaryEdge(operations=["tanh", "relu"])
SMALL = {
    "search_space": SPACE,
    "hidden_layer_sizes": (8,),
    "search_epochs": 2,
    "max_epochs": 2,
    "random_state": 0,
}
X, Y = make_moons(60, noise=0.2, random_state=0)
PIXELS, DIGITS = load_digits(n_class=3, return_X_y=True)
PIXELS, DIGITS = PIXELS[:60] / 16, DIGITS[:60]
IMAGES = PIXELS.reshape(-1, 8, 8, 1)


def small(**params):
    return ActivationSearchNet(**{**SMALL, **params})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: UnaryEdge(operations=[]), ValueError, "UnaryEdge has no operations"),
        (
            lambda: UnaryEdge(operations=["relu", "tanhh"]),
            ValueError,
            r"'tanhh' is no operation of UnaryEdge.*Did you mean 'tanh'.*sinc",
        ),
        (
            lambda: BinaryEdge("x", "x", ["relu"]),
            ValueError,
            r"'relu' is no operation of BinaryEdge.*There are add, subtract",
        ),
        (
            lambda: UnaryEdge(operations=["relu", "tanh", "relu"]),
            ValueError,
            r"names one twice: \('relu', 'tanh', 'relu'\)",
        ),
        (
            lambda: UnaryEdge(operations="relu"),
            TypeError,
            "operations of UnaryEdge must be 'all' or a sequence of names, got 'relu'",
        ),
        (lambda: UnaryEdge(operations=[1]), TypeError, r"sequence of names, got \[1\]"),
        (lambda: UnaryEdge(operations=None), TypeError, "sequence of names, got None"),
        (lambda: UnaryEdge(operations=3), TypeError, "sequence of names, got 3"),
        (
            lambda: UnaryEdge("y"),
            TypeError,
            "input of UnaryEdge must be 'x' or another edge, got 'y'",
        ),
        (
            lambda: BinaryEdge("x", np.tanh),
            TypeError,
            "input of BinaryEdge must be 'x' or another edge",
        ),
    ],
)
def test_spaces_that_are_none(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"search_space": "darts"}, "'search_space' parameter.*'rnn'"),
        ({"search_space": ["relu"]}, "'search_space' parameter"),
        ({"hidden_layer_sizes": ()}, "at least one layer"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must hold positive"),
        (
            {"image_shape": (8,)},
            r"\(height, width\) or .*positive integers, got \(8,\)",
        ),
        ({"image_shape": (8, 8, 1, 1)}, "image_shape must be"),
        ({"image_shape": (8, -8)}, r"positive integers, got \(8, -8\)"),
        ({"image_shape": (8, 0)}, r"positive integers, got \(8, 0\)"),
        ({"image_shape": (8.0, 8.0)}, "positive integers, got"),
        ({"image_shape": "ab"}, "positive integers, got 'ab'|'image_shape' parameter"),
        ({"arch_fraction": 1.0}, "'arch_fraction' parameter"),
        ({"momentum": 1.0}, "'momentum' parameter"),
        ({"n_search_stages": 0}, "'n_search_stages' parameter"),
        ({"search_epochs": 0}, "'search_epochs' parameter"),
        ({"arch_learning_rate": 0.0}, "'arch_learning_rate' parameter"),
        ({"device": "abacus"}, "device='abacus' is no torch device"),
        ({"class_weight": {0: -1, 1: 1}}, r"class_weight=.* must not be negative"),
        ({"class_weight": {0: 0, 1: 0}}, r"class_weight=.* nor zero for all rows"),
    ],
)
def test_bad_parameters_are_named(params, message):
    net = small(**params)
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y)
    with pytest.raises(NotFittedError):
        net.predict(X)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_absent_device_is_named():
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        small(device="cuda").fit(X, Y)


def _with(value):
    images = PIXELS.copy()
    images[7, 3] = value
    return images


@pytest.mark.parametrize(
    ("images", "params", "message"),
    [
        (
            PIXELS,
            {"image_shape": (8, 9)},
            r"shape \(64,\).*\(8, 9, 1\).*\(72,\).*image_shape",
        ),
        (
            IMAGES,
            {"image_shape": (8, 8, 3)},
            r"shape \(8, 8, 1\).*\(8, 8, 3\).*image_shape",
        ),
        (IMAGES[..., 0], {}, r"dim 3.*\(n_samples, height, width, n_channels\)"),
        (IMAGES[..., 0], {"image_shape": (8, 8)}, "dim 3"),
        (IMAGES[..., None], {"image_shape": (8, 8)}, "dim 5"),
        (IMAGES[:, :3], {}, r"Images of 3 x 8 are too small.*need 4 x 4"),
        (16 * PIXELS, {"image_shape": (8, 8)}, r"floats from 0 to 1; got .* to 16"),
        (2 * IMAGES - 1, {}, r"floats from 0 to 1; got float64 from -1\.0"),
        (
            (300 * PIXELS).astype(int),
            {"image_shape": (8, 8)},
            "integers from 0 to 255.* to 300",
        ),
        ((IMAGES * 16 - 1).astype(np.int16), {}, "integers from 0.*int16 from -1"),
        (_with(np.nan), {"image_shape": (8, 8)}, "contains NaN"),
        (_with(np.inf), {"image_shape": (8, 8)}, "contains infinity"),
        (PIXELS.astype(str), {"image_shape": (8, 8)}, "could not convert|numeric"),
        (PIXELS[0], {"image_shape": (8, 8)}, "dim|Reshape|1D"),
        (IMAGES[:0], {}, r"0 sample\(s\)"),
        (IMAGES[:-1], {}, r"inconsistent numbers of samples: \[59, 60\]"),
    ],
)
def test_bad_images(images, params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(images, DIGITS)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (PIXELS[:, :-1], r"rows of shape \(63,\).*\(64,\).*image_shape"),
        (IMAGES.reshape(-1, 16, 4, 1), r"rows of shape \(16, 4, 1\).*\(8, 8, 1\)"),
        (IMAGES.repeat(3, -1), r"rows of shape \(8, 8, 3\)"),
        (IMAGES[..., 0], "dim 3"),
        (16 * PIXELS, "floats from 0 to 1"),
        (_with(np.nan), "contains NaN"),
    ],
)
def test_bad_images_to_predict(images, message):
    net = small(image_shape=(8, 8)).fit(PIXELS, DIGITS)
    with pytest.raises(ValueError, match=message):
        net.predict(images)


def test_images_of_another_shape_than_those_of_fit():
    net = small().fit(IMAGES, DIGITS)
    with pytest.raises(ValueError, match=r"\(4, 16, 1\).*\(8, 8, 1\)"):
        net.predict(IMAGES.reshape(-1, 4, 16, 1))
    table = small().fit(PIXELS, DIGITS)
    with pytest.raises(ValueError, match=r"\(8, 8, 1\).*fit had .*\(64,\)"):
        table.predict(IMAGES)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.where(np.eye(60, 2) > 0, np.nan, X), "contains NaN"),
        (np.where(np.eye(60, 2) > 0, np.inf, X), "contains infinity"),
        (X[:, 0], "Reshape your data"),
        (X[:0], r"0 sample\(s\)"),
        (X.astype(complex), "Complex data"),
    ],
)
def test_bad_tables(rows, message):
    with pytest.raises(ValueError, match=message):
        small().fit(rows, Y[: len(rows)])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(60), "two classes or more, but y holds one class: 0"),
        (np.where(np.arange(60) == 9, np.nan, Y), "y contains NaN"),
        (Y + 0.5 * X[:, 0], "Unknown label type: .*continuous"),
        (np.column_stack([Y, Y]), "1d array"),
        (Y[:-1], "inconsistent numbers of samples"),
        (np.where(Y, "a", None), "y|NoneType"),
    ],
)
def test_bad_targets(y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, y)


def test_bad_weights_and_groups():
    for weight, message in [
        (np.zeros(60), "non-zero"),
        (np.full(60, -1.0), "Negative values"),
        (np.where(np.arange(60) == 5, np.nan, 1.0), "NaN"),
        (np.ones(59), r"sample_weight.shape|inconsistent"),
    ]:
        with pytest.raises(ValueError, match=message):
            small().fit(X, Y, sample_weight=weight)
    with pytest.raises(ValueError, match="inconsistent"):
        small().fit(X, Y, groups=np.zeros(59))
    # Where one class has no weight, the other is alone.
    with pytest.raises(ValueError, match="holds one class"):
        small().fit(X, Y, sample_weight=Y.astype(float))


def test_too_few_rows_for_the_splits():
    net = small(early_stopping=False)
    with pytest.raises(ValueError, match=r"validation_fraction=0.1 of 1 group\(s\)"):
        small().fit(X, Y, groups=np.zeros(60))
    with pytest.raises(ValueError, match=r"arch_fraction=0.5 of 1 group\(s\)") as error:
        net.fit(X, Y, groups=np.zeros(60))
    # It is off already.
    assert "early_stopping=False" not in str(error.value)
    tiny = net.fit(X[:2], [0, 1])
    assert tiny.predict(X).shape == (60,)


def test_splits_are_not_needed_where_there_is_no_search():
    net = small(search_space=UnaryEdge(operations=["relu"]), early_stopping=False)
    net.fit(X, Y, groups=np.zeros(60))
    assert net.search_history_ == {}


def test_names_of_operations_may_be_an_array():
    assert UnaryEdge(operations=np.array(["relu", "tanh"])) == UnaryEdge(
        operations=["relu", "tanh"]
    )


def body(hidden=7, n_more=0, wrap=True):
    def module(input_shape, n_outputs, activation):
        placed = activation(hidden) if wrap else nn.ReLU()
        return nn.Sequential(
            nn.Linear(*input_shape, hidden),
            placed,
            nn.Linear(hidden, n_outputs + n_more),
        )

    return module


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (lambda *args: 3, TypeError, "module must return a torch.nn.Module, got 3"),
        (body(wrap=False), ValueError, "module must call its argument `activation`"),
        (
            body(n_more=2),
            ValueError,
            r"input of shape \(2, 2\) to logits of shape \(2, 2\), got \(2, 4\)",
        ),
    ],
)
def test_networks_of_ones_own(module, error, message):
    with pytest.raises(error, match=message):
        small(module=module).fit(X, Y)


def test_an_activation_that_is_made_but_not_used():
    def module(input_shape, n_outputs, activation):
        activation(7)
        return nn.Linear(*input_shape, n_outputs)

    with pytest.raises(ValueError, match="put what it returns into the network"):
        small(module=module).fit(X, Y)


def test_comparisons_that_cannot_be_made():
    net = small()
    with pytest.raises(NotFittedError):
        net.compare_baselines(X, Y)
    net.fit(X, Y)
    with pytest.raises(ValueError, match=r"baselines has 'swish'; there are .*silu"):
        net.compare_baselines(X, Y, baselines=("relu", "swish"))
    with pytest.raises(ValueError, match="X_test and y_test must be given together"):
        net.compare_baselines(X, Y, X_test=X)
    with pytest.raises(ValueError, match="n_repeats == 0, must be >= 1"):
        net.compare_baselines(X, Y, n_repeats=0)
    with pytest.raises(ValueError, match="inconsistent"):
        net.compare_baselines(X, Y[:-1])
    with pytest.raises(ValueError, match=r"test share=0.25 of 1 group"):
        net.compare_baselines(X, Y, groups=np.zeros(60))


class Interrupt:
    """A callback that presses Ctrl-C at an epoch."""

    max_propagation_depth = None

    def __init__(self, name, n_steps):
        self.name, self.n_steps = name, n_steps

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == self.name:
            self.n_steps -= 1
            if self.n_steps == 0:
                raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context, **kwargs):
        pass


@pytest.mark.parametrize("name", ["search epoch", "candidate epoch", "epoch"])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_an_interrupted_fit_is_no_fit(name, is_fitted):
    net = small()
    if is_fitted:
        net.fit(X, Y)
    net.set_callbacks(Interrupt(name, 2))
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(NotFittedError):
        net.predict(X)
    expected = small().fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(
        net.set_callbacks().fit(X, Y).predict_proba(X), expected
    )


def test_an_interrupted_warm_start_leaves_the_network_as_it_was():
    net = small(warm_start=True, early_stopping=False).fit(X, Y)
    whole = clone(net).set_params(max_epochs=4).fit(X, Y)
    before, history = net.predict_proba(X), net.history_
    net.set_callbacks(Interrupt("epoch", 2))
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y)
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert net.history_ is history
    assert net.n_iter_ == 2
    net.set_callbacks().fit(X, Y)
    np.testing.assert_array_equal(net.predict_proba(X), whole.predict_proba(X))


def test_a_warm_start_on_other_data():
    net = small(warm_start=True).fit(X, Y)
    before = net.predict_proba(X)
    with pytest.raises(ValueError, match=r"3 features.*2 features"):
        net.fit(np.column_stack([X, X[:, 0]]), Y)
    with pytest.raises(ValueError, match=r"y holds \[2\], not among the classes"):
        net.fit(X, np.where(np.arange(60) == 0, 2, Y))
    with pytest.raises(ValueError, match=r"\(n_samples, height, width"):
        net.fit(X[:, :, None], Y)
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert net.n_iter_ == 2


@pytest.mark.parametrize("params", [{}, {"image_shape": (8, 8)}])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_data_that_may_not_be_written_to(params, dtype):
    """As those of a pandas frame, or of a search in several processes."""
    rows = (PIXELS * 255).astype(dtype)
    rows = rows / np.float32(255) if dtype == np.float32 else rows
    rows.flags.writeable = False
    net = small(**params).fit(rows, DIGITS)
    assert net.predict(rows).shape == (60,)
    frame = pd.DataFrame(rows)
    np.testing.assert_array_equal(net.predict(frame), net.predict(rows))


def test_rounding_is_no_reason_to_refuse_images():
    """A scaler to [0, 1] may give the next number above 1."""
    small(image_shape=(8, 8)).fit(_with(np.nextafter(1, 2)), DIGITS)
