import pickle
import subprocess
import sys
from copy import deepcopy
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators.inspection import ActivationDisplay

torch = pytest.importorskip("torch")

UNARY = tuple(f"operation_{i}" for i in range(27))
RNN = {
    **dict.fromkeys(["unary1", "unary2", "unary3"], UNARY),
    "binary1": UNARY[:10],
    "unary4": UNARY,
    "binary2": UNARY[:10],
}
TWO = {"unary1": ("relu", "tanh", "sin", "zero"), "binary1": ("add", "multiply")}
X = np.random.default_rng(0).normal(1, 2, size=(500, 2))
Y = np.arange(500) % 2


class FoundSiLU(ClassifierMixin, BaseEstimator):
    """Finds the same function in all data, by a search in which alphas drift."""

    def __init__(self, edges=None, drift=1.0, n_epochs=50, latex=r"x \cdot \sigma(x)"):
        self.edges = edges
        self.drift = drift
        self.n_epochs = n_epochs
        self.latex = latex

    def fit(self, X, y=None):
        rng = np.random.default_rng(0)
        self.classes_ = np.unique(y)
        self.activation_ = torch.nn.SiLU()
        self.expression_ = "x * sigmoid(x)"
        self.expression_latex_ = self.latex
        self.activation_inputs_ = np.ravel(X).astype(np.float32)
        self.operations_ = self.edges or TWO
        time = np.linspace(0, self.drift, self.n_epochs + 1)[:, None]
        self.alphas_ = {
            edge: time * rng.normal(size=len(names))
            for edge, names in self.operations_.items()
        }
        return self

    @property
    def chosen_(self):
        return {
            edge: names[self.alphas_[edge][-1].argmax()]
            for edge, names in self.operations_.items()
        }

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


FOUND = FoundSiLU().fit(X, Y)


@pytest.fixture(autouse=True)
def _close_figures():
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


def silu_slope(x):
    return expit(x) * (1 + x * (1 - expit(x)))


def names_beside(ax):
    """Return the names at the ends of lines, from top to bottom, and which are bold."""
    texts = sorted(ax.texts, key=lambda text: -text.xy[1])
    bold = [text.get_text() for text in texts if text.get_fontweight() == "bold"]
    return [text.get_text() for text in texts], bold


def test_function_and_derivative_over_the_range_of_the_inputs():
    display = ActivationDisplay.from_estimator(FOUND)
    x, y = display.line_.get_data()
    assert_allclose(y, x * expit(x), atol=1e-12)
    assert_allclose(display.derivative_line_.get_ydata(), silu_slope(x), atol=1e-12)
    assert_array_equal(display.relu_line_.get_data(), [x, np.maximum(x, 0)])
    low, high = np.quantile(FOUND.activation_inputs_, [0.001, 0.999])
    assert low - 0.1 * (high - low) < x[0] < low < high < x[-1] < high * 1.1 - 0.1 * low
    assert len(x) == 501
    assert display.ax_.get_xlim() == (x[0], x[-1])
    assert display.ax_.get_title() == r"$x \cdot \sigma(x)$"


def test_histogram_shows_how_often_each_input_occurs():
    inputs = [0.0, 0.0, 0.0, 0.0, 4.0, 4.0]
    display = ActivationDisplay.from_activation(torch.relu, inputs)
    heights, edges, _ = display.histogram_.get_data()
    assert_allclose(heights / heights.max(), [1, 0, 0, 0, 0.5])
    assert_allclose(edges[[0, -1]], display.grid[[0, -1]])
    assert heights.max() < 1
    # On a scale of its own, beneath everything else.
    assert display.ax_.get_ylim()[1] > 4
    assert display.histogram_.get_zorder() < display.line_.get_zorder()


def test_weights_of_operations_over_epochs():
    display = ActivationDisplay.from_estimator(FOUND)
    assert list(display.weight_axes_) == ["unary1", "binary1"]
    for edge, alphas in FOUND.alphas_.items():
        exponentials = np.exp(alphas)
        weights = exponentials / exponentials.sum(axis=1, keepdims=True)
        lines = display.weight_lines_[edge]
        assert [line.get_label() for line in lines] == list(TWO[edge])
        assert_array_equal(lines[0].get_xdata(), np.arange(51))
        assert_allclose(np.transpose([line.get_ydata() for line in lines]), weights)
        assert_allclose(display.weights[edge], weights)
        assert display.weight_axes_[edge].get_title("left") == edge


def test_strongest_have_names_and_colours_and_the_chosen_one_is_bold():
    display = ActivationDisplay.from_estimator(FoundSiLU(RNN).fit(X), n_strongest=4)
    assert list(display.weight_axes_) == list(RNN)
    for edge, ax in display.weight_axes_.items():
        order = np.argsort(-display.weights[edge][-1])
        names, bold = names_beside(ax)
        assert names == [RNN[edge][k] for k in order[:4]]
        assert bold == names[:1]
        lines = [display.weight_lines_[edge][k] for k in order]
        colors = {line.get_color() for line in lines[:4]}
        assert len(colors) == 4
        assert len({line.get_color() for line in lines[4:]} - colors) == 1
        assert {t.get_color() for t in ax.texts} == colors


def test_first_of_equally_strong_operations_is_chosen():
    model = FoundSiLU(drift=0).fit(X)
    display = ActivationDisplay.from_estimator(model, n_strongest=1)
    assert names_beside(display.weight_axes_["unary1"]) == (["relu"], ["relu"])


def test_the_chosen_operation_need_not_be_the_strongest():
    model = FoundSiLU().fit(X)
    names, alphas = model.operations_["unary1"], model.alphas_["unary1"]
    weakest = names[alphas[-1].argmin()]
    display = ActivationDisplay.from_activation(model.activation_, X.ravel())
    display.weights = {"unary1": np.exp(alphas)}
    display.operations, display.chosen = {"unary1": names}, {"unary1": weakest}
    display.plot(n_strongest=2)
    shown, bold = names_beside(display.weight_axes_["unary1"])
    assert len(shown) == 2
    assert bold == [weakest]


def test_line_of_a_dropped_operation_ends():
    model = FoundSiLU().fit(X)
    model.alphas_["unary1"][20:, 1:] = -np.inf
    display = ActivationDisplay.from_estimator(model)
    relu, tanh, *_ = display.weight_lines_["unary1"]
    assert_array_equal(np.isnan(tanh.get_ydata()), np.arange(51) >= 20)
    assert_array_equal(relu.get_ydata()[20:], 1)
    assert names_beside(display.weight_axes_["unary1"])[0] == ["relu"]
    assert display.weights["unary1"][20, 1] == 0


@pytest.mark.parametrize("n_epochs", [0, 1, 50])
def test_edge_with_one_operation(n_epochs):
    model = FoundSiLU({"unary1": ("sin",)}, n_epochs=n_epochs).fit(X)
    display = ActivationDisplay.from_estimator(model)
    ax = display.weight_axes_["unary1"]
    assert_array_equal(display.weight_lines_["unary1"][0].get_ydata(), 1)
    assert ax.get_ylim()[0] == 0 < 1 < ax.get_ylim()[1]
    assert names_beside(ax) == (["sin"], ["sin"])
    display.figure_.draw_without_rendering()


def test_what_to_plot():
    display = ActivationDisplay.from_estimator(FOUND, what="function")
    assert display.figure_.axes == [display.ax_]
    assert display.weight_axes_ == display.weight_lines_ == {}
    assert display.weights.keys() == TWO.keys()
    assert display.plot(what="weights") is display
    assert display.figure_.axes == list(display.weight_axes_.values())
    assert display.ax_ is display.line_ is display.histogram_ is None
    display.plot(show_relu=False)
    assert display.figure_.axes == [display.ax_, *display.weight_axes_.values()]
    assert display.relu_line_ is None
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["function", "derivative", "inputs"]


@pytest.mark.parametrize(
    ("n_cols", "shape"), [(1, (6, 1)), (2, (3, 2)), (4, (2, 3)), (9, (1, 6))]
)
def test_grid_of_edges_shares_its_epochs(n_cols, shape):
    model = FoundSiLU(RNN).fit(X)
    display = ActivationDisplay.from_estimator(model, what="weights", n_cols=n_cols)
    axes = list(display.weight_axes_.values())
    assert axes[0].get_subplotspec().get_gridspec().get_geometry() == shape
    labels = [ax.get_xlabel() for ax in axes]
    assert labels == [""] * (6 - shape[1]) + ["Search epoch"] * shape[1]
    axes[0].set_xlim(0, 10)
    assert axes[-1].get_xlim() == (0, 10)


def test_pipeline_and_search_that_end_with_the_estimator():
    pipeline = make_pipeline(StandardScaler(), FoundSiLU()).fit(X, Y)
    display = ActivationDisplay.from_estimator(pipeline)
    assert_array_equal(display.inputs, pipeline[-1].activation_inputs_)
    grid = {"foundsilu__n_epochs": [3]}
    search = GridSearchCV(make_pipeline(StandardScaler(), FoundSiLU()), grid, cv=2)
    for outer in (search, make_pipeline(StandardScaler(), search)):
        display = ActivationDisplay.from_estimator(outer.fit(X, Y))
        assert display.weights["unary1"].shape == (4, 4)


def test_any_activation_is_drawn_and_left_as_it_is():
    prelu = torch.nn.PReLU(init=0.5).train()
    prelu(torch.tensor([-1.0])).sum().backward()
    before = deepcopy(prelu.state_dict()), prelu.weight.grad.clone()
    display = ActivationDisplay.from_activation(prelu, torch.randn(4, 5, 6))
    x = display.grid
    assert_allclose(display.values, np.where(x > 0, x, 0.5 * x), rtol=1e-12)
    assert_allclose(display.derivative, np.where(x > 0, 1, 0.5))
    assert display.inputs.shape == (120,)
    assert prelu.training
    assert prelu.weight.requires_grad
    assert prelu.weight.dtype == torch.float32
    assert_array_equal(prelu.weight.grad, before[1])
    assert_array_equal(prelu.state_dict()["weight"], before[0]["weight"])
    assert display.weights is None
    assert display.plot().figure_.axes == [display.ax_]


@pytest.mark.parametrize(
    ("activation", "title", "slope"),
    [
        (torch.sin, "sin", np.cos),
        (torch.nn.ReLU(inplace=True), "ReLU", lambda x: x > 0),
        (torch.nn.Tanh(), "Tanh", lambda x: 1 - np.tanh(x) ** 2),
        (torch.zeros_like, "zeros_like", np.zeros_like),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_functions_modules_and_constants(activation, title, slope, mode):
    with mode():
        display = ActivationDisplay.from_activation(activation, X[:, :1])
    assert_allclose(display.derivative, slope(display.grid), atol=1e-12)
    assert title in display.ax_.get_title()


def test_network_that_feeds_one_value_only():
    display = ActivationDisplay.from_activation(torch.tanh, [2.0] * 10, n_points=11)
    assert display.grid[0] < 2 < display.grid[-1]
    assert len(display.grid) == 11


def test_pole_of_the_derivative_does_not_press_the_function_flat():
    def root(x):
        return x.abs().add(1e-12).sqrt()

    inputs = np.linspace(-1, 1, 1000)
    display = ActivationDisplay.from_activation(root, inputs, n_points=502)
    low, high = display.ax_.get_ylim()
    assert high < display.derivative.max() / 2
    assert low < display.values.min() < display.values.max() < high
    display = ActivationDisplay.from_activation(torch.tanh, X)
    assert display.ax_.get_ylim()[1] > display.derivative.max()


@pytest.mark.parametrize(
    ("latex", "text", "title"),
    [
        (r"\max(x, 0)", "max(x, 0)", r"$\max(x, 0)$"),
        (r"\nonsense{x", "x_1 $ y", "x_1 $ y"),
        (None, "sin(x)", "sin(x)"),
        ("x + " * 60 + "x", "x + " * 3 + "x", "x + x + x + x"),
    ],
)
def test_title_is_a_formula_if_it_can_be(latex, text, title):
    display = ActivationDisplay.from_activation(
        torch.relu, X, expression=text, expression_latex=latex
    )
    assert display.ax_.get_title() == title
    display.figure_.draw_without_rendering()


def test_long_expression_is_wrapped_and_cut():
    text = "max(x, 0) * sigmoid(x) + " * 20 + "x"
    display = ActivationDisplay.from_activation(torch.relu, X, expression=text)
    lines = display.ax_.get_title().split("\n")
    assert len(lines) == 3
    assert lines[0].startswith("max(x, 0) * sigmoid(x)")
    assert lines[2].endswith("…")
    assert display.expression == text


def test_given_axes_are_used_and_the_rest_left_alone():
    figure, axes = plt.subplots(1, 2)
    params = dict(mpl.rcParams)
    display = ActivationDisplay.from_activation(torch.relu, X, ax=axes[0])
    assert display.ax_ is axes[0]
    assert display.figure_ is figure
    assert display.bounding_ax_ is None
    display = ActivationDisplay.from_estimator(FOUND, ax=axes[1])
    assert display.figure_ is figure
    assert display.bounding_ax_ is axes[1]
    place = axes[1].get_position()
    for ax in (display.ax_, *display.weight_axes_.values()):
        box = ax.get_position()
        assert place.x0 - 1e-9 <= box.x0 < box.x1 <= place.x1 + 1e-9
    assert not axes[1].axison
    assert plt.get_fignums() == [figure.number]
    assert dict(mpl.rcParams) == params


@pytest.mark.parametrize("edges", [RNN, TWO, {"unary1": UNARY}, {"unary1": ("sin",)}])
@pytest.mark.parametrize("drift", [0.01, 20])
def test_nothing_is_clipped_and_no_texts_overlap(edges, drift):
    model = FoundSiLU(edges, drift=drift).fit(X)
    display = ActivationDisplay.from_estimator(model)
    figure = display.figure_
    figure.draw_without_rendering()
    boxes = [display.ax_.get_legend().get_window_extent()]
    for ax in figure.axes:
        texts = [t for t in ax.get_children() if isinstance(t, mpl.text.Text)]
        for axis, (low, high) in [(ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())]:
            texts.append(axis.label)
            texts += [
                t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high
            ]
        boxes += [
            t.get_window_extent() for t in texts if t.get_visible() and t.get_text()
        ]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    for box, other in combinations(boxes, 2):
        assert not box.shrunk(0.9, 0.8).overlaps(other.shrunk(0.9, 0.8))


def test_display_is_made_of_arrays_only():
    display = ActivationDisplay.from_estimator(FOUND)
    names = ["inputs", "grid", "values", "derivative", "weights", "operations"]
    params = {name: getattr(display, name) for name in names}
    again = ActivationDisplay(**pickle.loads(pickle.dumps(params))).plot()
    assert again.ax_.get_title() == ""
    assert_array_equal(again.line_.get_ydata(), display.line_.get_ydata())


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (FoundSiLU(), NotFittedError, "FoundSiLU instance is not fitted"),
        (make_pipeline(FoundSiLU()), NotFittedError, "not fitted"),
        (GridSearchCV(FoundSiLU(), {}), NotFittedError, "not fitted"),
        (GridSearchCV(FOUND, {}, cv=2, refit=False).fit(X, Y), TypeError, "refit=True"),
        (LogisticRegression().fit(X, Y), TypeError, "LogisticRegression has no .*acti"),
        (torch.nn.SiLU(), TypeError, "not an estimator"),
    ],
)
def test_estimator_errors(estimator, error, message):
    with pytest.raises(error, match=message):
        ActivationDisplay.from_estimator(estimator)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"what": "alphas"}, ValueError, "what must be 'both', .* got 'alphas'"),
        ({"n_points": 1}, ValueError, "n_points == 1, must be >= 2"),
        ({"n_points": 9.5}, TypeError, "n_points must be an instance of int"),
        ({"n_strongest": 7}, ValueError, "n_strongest == 7, must be <= 6"),
        ({"n_cols": 0}, ValueError, "n_cols == 0, must be >= 1"),
    ],
)
def test_parameter_errors(params, error, message):
    with pytest.raises(error, match=message):
        ActivationDisplay.from_estimator(FOUND, **params)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"inputs": []}, ValueError, "inputs is empty"),
        ({"inputs": [[0, np.nan], [1, 2]]}, ValueError, "nan at index 1 .*1 of 4"),
        ({"inputs": torch.tensor([1, -torch.inf])}, ValueError, "-inf at index 1"),
        ({"inputs": ["a"]}, ValueError, "'a'"),
        ({"activation": "relu"}, TypeError, "activation must be .* got str"),
        ({"activation": torch.nn.GLU(dim=0)}, ValueError, r"\(502,\) into \(251,\)"),
        ({"activation": lambda x: 1.0}, TypeError, "a torch tensor, got float"),
    ],
)
def test_activation_errors(params, error, message):
    params = {"activation": torch.relu, "inputs": X, "n_points": 502, **params}
    with pytest.raises(error, match=message):
        ActivationDisplay.from_activation(**params)


def test_weights_that_cannot_be_plotted():
    display = ActivationDisplay.from_activation(torch.relu, X)
    with pytest.raises(ValueError, match="has no weights"):
        display.plot(what="weights")
    ax = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="ax must be a subplot"):
        ActivationDisplay.from_estimator(FOUND, ax=ax)


@pytest.mark.parametrize(
    ("hidden", "extra"), [("matplotlib", "plot"), ("torch", "torch")]
)
def test_missing_packages_are_named_with_their_extras(hidden, extra):
    code = f"""
import sys
import torch
from skestimators.inspection import ActivationDisplay
sys.modules[{hidden!r}] = None
try:
    ActivationDisplay.from_activation(torch.relu, [1.0])
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"ActivationDisplay needs {hidden!r}" in done.stdout, done.stderr
    assert f"skestimators[{extra}]" in done.stdout
