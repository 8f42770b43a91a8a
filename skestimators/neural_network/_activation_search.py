"""Search for an activation function by gradient descent."""

from numbers import Integral, Real

from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skestimators.neural_network._activation.base import ActivationSearcher
from skestimators.neural_network._activation.comparison import compare
from skestimators.neural_network._activation.space import (
    SEARCH_SPACES,
    BinaryEdge,
    UnaryEdge,
)
from skestimators.utils._constraints import TRAINING_CONSTRAINTS

_NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]
_POSITIVE = [Interval(Real, 0, None, closed="neither")]
_WHOLE = [Interval(Integral, 1, None, closed="left")]


class ActivationSearchNet(ClassifierMixin, ActivationSearcher):
    """Neural network classifier that searches for its activation function.

    The activation is a composition of simple functions, such as ``max(x, 0) *
    sigmoid(x)``. In the search each choice among operations is a sum of all of them,
    weighted by a softmax over trainable alphas; alphas and weights take gradient steps
    in turn, on different rows [1]_. Of the compositions of the largest alphas the best
    is chosen, and a network that has it is trained from the start.

    `X` is images, for which the network is a small LeNet with the activation before its
    last layer; or a table, for which it is a multilayer perceptron; or anything else
    that a `module` of yours can make use of.

    Parameters
    ----------
    search_space : {"simple", "complex", "rnn"}, UnaryEdge or BinaryEdge, default="rnn"
        What activations may be composed of. `"simple"`: two choices among ReLU,
        Hardswish, LeakyReLU and the identity, one after the other. `"complex"`: the
        minimum or maximum of two choices between `x` and 0. `"rnn"`: a recurrent cell
        of :class:`UnaryEdge` and :class:`BinaryEdge` with all operations [2]_,
        ``BinaryEdge(UnaryEdge(), UnaryEdge(BinaryEdge(UnaryEdge(), UnaryEdge())))``.

    module : callable or None, default=None
        Makes another network: takes the shape of a row (for images: channels, height,
        width), the number of classes, and a function that makes an activation for a
        given number of channels; returns a :class:`torch.nn.Module` that gives logits.

    hidden_layer_sizes : sequence of int, default=(64, 64)
        Number of units of each hidden layer of the network for tables.

    image_shape : tuple of int or None, default=None
        Height, width and, unless it is 1, number of channels of images that are
        flattened in `X`. With None, `X` of four dimensions is images and any other is a
        table.

    search_epochs : int, default=50
        Number of passes over the rows for the weights in the search.

    max_epochs : int, default=50
        Number of passes over the rows in the final training at the most.

    batch_size : int or None, default=64
        Number of rows a gradient step sees; None takes all of them.

    learning_rate, momentum, weight_decay : float, default=0.025, 0.9 and 3e-4
        Those of stochastic gradient descent for the weights.

    max_grad_norm : float or None, default=5.0
        Larger gradients are scaled down to this norm.

    arch_learning_rate, arch_weight_decay : float, default=3e-4 and 1e-3
        Those of Adam for the alphas, which move by the former in a step, or a little
        more. The default suits some 20,000 steps; with a few hundred, .003 to .03
        decides more.

    arch_fraction : float, default=0.5
        Share of the rows, or of the groups if `fit` is given `groups`, that the alphas
        learn from in the search; the weights learn from the others.

    second_order : bool, default=False
        Whether a step for the alphas follows their effect on the next step for the
        weights, which takes about three times as long [1]_.

    n_search_stages : int, default=1
        With more stages than one the search drops operations at the end of each, those
        of the smallest alphas: of n, n ** (1 - s / `n_search_stages`) are left after s
        stages.

    n_candidates : int, default=8
        Number of compositions of the largest alphas, among which the one that does best
        is taken, as in [1]_: each is trained for `max_epochs` / 5 epochs on the rows
        for the weights, and scored on those for the alphas; the better half once more
        from other initial weights, and so on. 1 takes the composition of the largest
        alpha in each choice.

    compile : bool, default=False
        Whether to compile the network for the search. It takes half a minute or more at
        the start, and needs a C++ compiler.

    warm_start : bool, default=False
        Whether `fit` goes on with the final training of the network there is, for
        `max_epochs` more, without a new search. It goes on from the last epoch; with
        `early_stopping`, the best network of all is kept.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.

    early_stopping : bool, default=True
        Hold out a part of the training data from the search and the final training.
        Stop the latter when the loss there no longer improves, and keep the best epoch.
        With False the network is trained for `max_epochs` on all rows.

    validation_fraction : float, default=0.1
        Share of the rows, or of the groups if `fit` is given `groups`, held out by
        `early_stopping`.

    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` stops.

    tol : float, default=0.0
        Smallest decrease of the validation loss that counts as an improvement.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch, of the search, of a candidate
        and of the final training, what it has come to. When it was killed, the same
        call goes on after the last epoch there and ends as if nothing had happened, to
        the last bit on a CPU; when it has ended, the same call returns what there is.
        Callbacks hear of the epochs that are really run; a training that one of them
        ended has ended. Each fit, such as those of `compare_baselines`, finds a
        sub-folder of its own by its parameters and data; delete it when you have no
        more use for it. The files hold three numbers for each weight of the network,
        and no code. `random_state` must be an int, and `warm_start` False.

    device : str, default="auto"
        Where to compute: `"auto"` takes the first of cuda, mps and cpu that is there;
        or the name of a torch device.

    random_state : int, RandomState instance or None, default=None
        Seeds initial weights and alphas, the order of rows and the splits. Two fits
        with the same int are bit-equal on a CPU. torch's own global random state is
        left as it was.

    Attributes
    ----------
    activation_ : torch.nn.Module
        The activation found: it can be copied, pickled, scripted, and used in any
        network, :class:`TorchMLPRegressor` included. Where the activations of
        `network_` have a beta for each channel, it has one, their mean.

    expression_ : str
        Its formula.

    expression_latex_ : str
        The formula in LaTeX, without dollar signs.

    operations_ : dict of tuple of str
        For each choice of the space, the operations to choose from. Choices are named
        by height, then from left to right: in `"rnn"`, `"unary1"` to `"unary3"` are of
        the input, `"binary1"` is of the latter two, `"unary4"` of that, `"binary2"` of
        `"unary1"` and `"unary4"`.

    chosen_ : dict of str
        For each choice, the operation of `activation_`.

    candidates_ : dict of list of float
        For the formula of each candidate, the lowest losses of its short trainings; of
        the better half there are more. Empty lists if there was one only.

    alphas_ : dict of ndarray of shape (n_search_epochs + 1, n_operations)
        For each choice, the alphas at the start and after each epoch of the search,
        -inf for operations that were dropped.

    search_history_ : dict of list of float
        For each epoch of the search: `"train_loss"` and `"arch_loss"`, of the steps for
        weights and alphas; `"entropy"` of the choices, 1 if undecided and 0 if certain;
        `"n_rolled_back"` and `"n_arch_rolled_back"`, steps not taken as the loss or a
        gradient was not finite. Empty if there was nothing to choose.

    discretization_ : dict of float
        Accuracies on the held-out rows, or on all if there are none: `"mixed"`, of the
        network after the search; `"discretized"`, of the same with the chosen
        operations alone; `"retrained"`, of `network_`. The former two are missing if
        there was nothing to choose.

    activation_inputs_ : ndarray of float32 of shape (n_values,)
        At most 10,000 values that the activations in `network_` were fed with, by rows
        of the training data.

    network_ : torch.nn.Module
        The trained network, in float32.

    history_ : dict of list of float
        Final training: `"train_loss"`, `"n_rolled_back"` and, with `early_stopping`,
        `"valid_loss"`, one value an epoch.

    n_iter_ : int
        Number of epochs of the final training.

    classes_ : ndarray of shape (n_classes,)
        Class labels.

    input_shape_ : tuple of int
        Shape of a row: (n_features,) or (height, width, n_channels).

    device_ : str
        Name of the device used.

    n_features_in_ : int
        Number of values of a row.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    UnaryEdge, BinaryEdge : The parts of a search space.
    skestimators.inspection.ActivationDisplay : Plot the activation and its search.

    Notes
    -----
    All operations are finite for finite inputs, see :class:`UnaryEdge`. A
    step whose loss or gradient is not finite all the same is rolled back and counted.

    References
    ----------
    .. [1] Liu, Simonyan and Yang (2019). "DARTS: Differentiable architecture search."
       ICLR.
    .. [2] Ramachandran, Zoph and Le (2017). "Searching for activation functions."
       arXiv:1710.05941.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skestimators.neural_network import ActivationSearchNet, UnaryEdge
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ActivationSearchNet(
    ...     UnaryEdge(operations=["relu", "tanh"]),
    ...     image_shape=(8, 8),
    ...     search_epochs=1,
    ...     max_epochs=5,
    ...     random_state=0,
    ... )
    >>> net.fit(X / 16, y).expression_ in ("max(x, 0)", "tanh(x)")
    True
    """

    _parameter_constraints: dict = {
        **{k: v for k, v in TRAINING_CONSTRAINTS.items() if k != "dropout"},
        "search_space": [StrOptions(set(SEARCH_SPACES)), UnaryEdge, BinaryEdge],
        "module": [callable, None],
        "hidden_layer_sizes": ["array-like"],
        "image_shape": ["array-like", None],
        "search_epochs": _WHOLE,
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": _NOT_NEGATIVE,
        "max_grad_norm": [*_POSITIVE, None],
        "arch_learning_rate": _POSITIVE,
        "arch_weight_decay": _NOT_NEGATIVE,
        "arch_fraction": [Interval(Real, 0, 1, closed="neither")],
        "second_order": ["boolean"],
        "n_search_stages": _WHOLE,
        "n_candidates": _WHOLE,
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        search_space="rnn",
        *,
        module=None,
        hidden_layer_sizes=(64, 64),
        image_shape=None,
        search_epochs=50,
        max_epochs=50,
        batch_size=64,
        learning_rate=0.025,
        momentum=0.9,
        weight_decay=3e-4,
        max_grad_norm=5.0,
        arch_learning_rate=3e-4,
        arch_weight_decay=1e-3,
        arch_fraction=0.5,
        second_order=False,
        n_search_stages=1,
        n_candidates=8,
        compile=False,
        warm_start=False,
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.0,
        checkpoint=None,
        device="auto",
        random_state=None,
    ):
        self.search_space = search_space
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.image_shape = image_shape
        self.search_epochs = search_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.arch_learning_rate = arch_learning_rate
        self.arch_weight_decay = arch_weight_decay
        self.arch_fraction = arch_fraction
        self.second_order = second_order
        self.n_search_stages = n_search_stages
        self.n_candidates = n_candidates
        self.compile = compile
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Search for an activation, and train the network that has it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, height, width, n_channels)
            A table; or images, flattened if `image_shape` is given: integers from 0 to
            255, or floats from 0 to 1.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss; scaled to a mean of one. Rows of weight
            zero are left out.

        groups : array-like of shape (n_samples,), default=None
            Rows of a group are never split, neither by `early_stopping` nor between the
            alphas and the weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ImportError
            If torch or skorch is missing.

        RuntimeError
            If the network cannot be compiled.

        TypeError
            If `module` does not return a module; if there is a `checkpoint` and
            `module` is nothing that another process could recognise.

        ValueError
            If the input holds NaN or infinity, images are of another shape than
            `image_shape` or out of range, there is one class only, there are too few
            rows for the splits, the device is not there, no step of an epoch was
            finite, or there is a `checkpoint` and `random_state` is no int, or
            `warm_start` is True.

        OSError
            If `checkpoint` is no folder that can be written to, or the disk is full.

        Warns
        -----
        UserWarning
            If the activation found is linear; if a file of `checkpoint` is damaged, and
            what it was of begins anew.
        """
        return self._fit(X, y, sample_weight, groups)

    def compare_baselines(
        self,
        X,
        y,
        *,
        X_test=None,
        y_test=None,
        baselines=("relu", "silu", "gelu", "tanh", "random"),
        n_repeats=3,
        sample_weight=None,
        groups=None,
    ):
        """Train the same network with the activation found and with others.

        All have the same budget, and in each repeat the same initial weights, order of
        rows and splits.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows or images to train on, as for `fit`.

        y : array-like of shape (n_samples,)
            Class labels.

        X_test, y_test : array-like, default=None
            What to score on. With None, a quarter of `X` is held out in each repeat; if
            the search has seen it, the score of the activation found may be a little
            too high.

        baselines : sequence of str, \
                default=("relu", "silu", "gelu", "tanh", "random")
            Unary operations, see :class:`UnaryEdge`; `"random"` is another composition
            of the search space in each repeat.

        n_repeats : int, default=3
            Number of seeds, which depend on `random_state`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in training; scores are not weighted.

        groups : array-like of shape (n_samples,), default=None
            Rows of a group are never split.

        Returns
        -------
        table : pandas.DataFrame
            A row for `"found"` and for each baseline, with the columns `"expression"`,
            several if they differ between repeats; `"mean_score"` and
            `"standard_error"` of the accuracy; and `"score_0"` and so on, of each
            repeat.

        Raises
        ------
        ValueError
            If a baseline is unknown, one of `X_test` and `y_test` is missing, or
            `n_repeats` is not positive.
        """
        check_is_fitted(self)
        return compare(
            self,
            self._choices,
            self.chosen_,
            training=(X, y, sample_weight, groups),
            test=(X_test, y_test),
            baselines=baselines,
            n_repeats=n_repeats,
            random_state=self.random_state,
        )
