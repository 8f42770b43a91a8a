"""Small searches for an activation, and data they learn."""

from sklearn.datasets import load_digits, make_moons

from skestimators.neural_network import ActivationSearchNet, BinaryEdge, UnaryEdge

X, Y = make_moons(120, noise=0.2, random_state=0)
PIXELS, DIGITS = load_digits(n_class=3, return_X_y=True)
PIXELS, DIGITS = PIXELS[:150] / 16, DIGITS[:150]
CURVED = UnaryEdge(UnaryEdge(operations=["tanh", "sin"]), ["relu", "gaussian"])
SPACE = BinaryEdge(
    UnaryEdge(operations=["tanh", "scale"]), UnaryEdge(operations=["relu"]), ["blend"]
)
# Of one composition, on all rows.
PLAIN = {
    "hidden_layer_sizes": (8,),
    "search_epochs": 3,
    "max_epochs": 2,
    "n_candidates": 1,
    "batch_size": 20,
    "early_stopping": False,
    "random_state": 0,
}


def small(**params):
    """Make a search of two epochs."""
    defaults = {
        "search_space": SPACE,
        "hidden_layer_sizes": (8,),
        "search_epochs": 2,
        "max_epochs": 3,
        "random_state": 0,
    }
    return ActivationSearchNet(**{**defaults, **params})
