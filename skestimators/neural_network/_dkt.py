"""Deep knowledge tracing."""

from numbers import Integral, Real

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skestimators.neural_network._dkt_base import KnowledgeTracer
from skestimators.neural_network._dkt_checks import skills_of_candidates
from skestimators.utils._constraints import TRAINING_CONSTRAINTS

_NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class DKTClassifier(ClassifierMixin, KnowledgeTracer):
    """Deep knowledge tracing of students.

    A recurrent network reads what a student answered so far, and gives the probability
    of a correct answer to each skill [1]_. One row of `X` is one interaction: student,
    skill and response. Rows of a student are in the order of time; those of several
    students may be interleaved.

    `X` holds the responses because later rows are predicted from them. The probability
    of a row depends on **earlier** rows of the same student only, never on its own
    response or on a later one. So ``cross_val_score(DKTClassifier(), X, y,
    cv=GroupKFold(), groups=students, scoring="roc_auc")`` is an honest score, where `y`
    is the column of responses. Other splitters take single rows out of the histories.

    Parameters
    ----------
    student, skill, response : str or int, default=0, 1 and 2
        Names or indices of the columns; an index is refused where another column has
        the name `student`, `skill` or `response`. A student is anything that can be
        told apart. A skill is a number or text; several skills that one interaction
        asks for are one cell, joined with `"~"`, such as `"12~31"`. A response is 1
        (correct), 0 (wrong) or NaN (not known): such a row is predicted, and later rows
        do not see it.

    skills : "auto" or array-like of (str or int), default="auto"
        All skills there are; `"auto"` takes those of the training data. Say them where
        `partial_fit` does not see all of them at first.

    handle_unknown : {"average", "error"}, default="average"
        What to do with a skill that training did not see. `"average"` takes the mean of
        those that it saw, both of what an answer tells and of the logit; in a cell with
        other skills it is left out.

    hidden_layer_sizes : sequence of int, default=(200,)
        Number of units of each recurrent layer.

    cell : {"lstm", "gru", "rnn"}, default="lstm"
        Kind of the recurrent layers. On a CPU, `"lstm"` is the fastest.

    dropout : float, default=0.4
        Share of the units of each recurrent layer that a sequence does without in
        training, in [0, 1).

    learning_rate : float, default=0.005
        Adam's step size.

    learning_rate_decay : float, default=0.5
        What the learning rate is multiplied by after each epoch that did not improve
        the loss on the held-out students by `tol`. Without `early_stopping` it stays.

    averaging : float, default=0.99
        Decay, at each gradient step, of the moving average of the weights, which is the
        network that predicts [3]_. It is better than the weights of any one step, and
        the loss on held-out students is steadier. 0 takes the weights themselves.

    batch_size : int, "auto" or None, default="auto"
        Number of sequences that a gradient step sees, on average: batches are of about
        the same number of interactions. `"auto"` takes 64, or fewer so that an epoch
        has 32 steps at least; None takes all sequences.

    max_length : int, default=200
        Longer sequences are cut for training. Predictions are always from the whole
        history.

    max_grad_norm : float or None, default=3.0
        Larger gradients are scaled down to this norm.

    reconstruction, waviness_l1, waviness_l2 : float, default=0.0
        Strengths of the regularisers of DKT+ [2]_: of the cross-entropy of the answer
        that was just given, and of the mean absolute and mean squared change of the
        knowledge state from one answer to the next, which knows no weights.

    max_epochs : int, default=30
        Number of passes over the data at the most.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes 0 and 1.

    early_stopping : bool, default=True
        Hold out some students, stop when the loss on them no longer improves, and keep
        the best epoch. With False the network is trained on all students for
        `max_epochs`.

    validation_fraction : float, default=0.1
        Share of the students, or of the groups if `fit` is given `groups`, held out by
        `early_stopping`.

    n_iter_no_change : int, default=5
        Number of epochs without improvement after which `early_stopping` stops.

    tol : float, default=0.0005
        Smallest decrease of the validation loss that counts as an improvement.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch what it has come to. When it
        was killed, the same call goes on after the last epoch there and ends as if
        nothing had happened, to the last bit on a CPU; when it has ended, the same call
        returns what there is. Callbacks hear of the epochs that are really run; a fit
        that one of them ended has ended. Each fit, such as those of a search, finds a
        sub-folder of its own by its parameters and data; delete it when you have no
        more use for it. The files hold five numbers for each weight of the network, and
        no code. `random_state` must be an int. `partial_fit` writes nothing.

    device : str, default="auto"
        Where to compute: `"auto"` takes the first of cuda, mps and cpu that is there;
        or the name of a torch device. In training on cuda, matrix products outside the
        recurrent layers are in bfloat16.

    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, dropout, the order of students and the held-out students.
        Two fits with the same int are bit-equal on a CPU. torch's own global random
        state is left as it was.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        0 (wrong) and 1 (correct).

    skills_ : ndarray of str objects of shape (n_skills,)
        The skills; numbers come first, as numbers.

    network_ : torch.nn.Module
        The trained network, in float32.

    history_ : dict of list of float
        `"train_loss"`, with what regularisers add, and, with `early_stopping`,
        `"valid_loss"`: cross-entropy, one value an epoch.

    n_iter_ : int
        Number of epochs run.

    device_ : str
        Name of the device used.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen in `fit`, if all are strings.

    See Also
    --------
    skestimators.datasets.read_interactions : Read ASSISTments and other files.

    skestimators.inspection.KnowledgeStateDisplay : Plot the knowledge of a student.

    Notes
    -----
    The first row of a student is predicted from a state that is learned too.

    References
    ----------
    .. [1] Piech et al. (2015). "Deep knowledge tracing." NeurIPS.
    .. [2] Yeung and Yeung (2018). "Addressing two problems in deep knowledge tracing
       via prediction-consistent regularization." Learning at Scale.
    .. [3] Polyak and Juditsky (1992). "Acceleration of stochastic approximation by
       averaging." SIAM J. Control Optim. 30, 838-855.

    Examples
    --------
    >>> from skestimators.datasets import make_student_responses
    >>> from skestimators.neural_network import DKTClassifier
    >>> X = make_student_responses(60, random_state=0).frame
    >>> dkt = DKTClassifier(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    >>> dkt.fit(X, X["response"]).predict_proba(X).shape == (len(X), 2)
    True
    """

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        "student": [str, Integral],
        "skill": [str, Integral],
        "response": [str, Integral],
        "skills": [StrOptions({"auto"}), "array-like"],
        "handle_unknown": [StrOptions({"average", "error"})],
        "hidden_layer_sizes": ["array-like"],
        "cell": [StrOptions({"lstm", "gru", "rnn"})],
        "batch_size": [*TRAINING_CONSTRAINTS["batch_size"], StrOptions({"auto"})],
        "learning_rate_decay": [Interval(Real, 0, 1, closed="right")],
        "averaging": [Interval(Real, 0, 1, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "reconstruction": _NOT_NEGATIVE,
        "waviness_l1": _NOT_NEGATIVE,
        "waviness_l2": _NOT_NEGATIVE,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        student=0,
        skill=1,
        response=2,
        skills="auto",
        handle_unknown="average",
        hidden_layer_sizes=(200,),
        cell="lstm",
        dropout=0.4,
        learning_rate=0.005,
        learning_rate_decay=0.5,
        averaging=0.99,
        batch_size="auto",
        max_length=200,
        max_grad_norm=3.0,
        reconstruction=0.0,
        waviness_l1=0.0,
        waviness_l2=0.0,
        max_epochs=30,
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=0.0005,
        checkpoint=None,
        device="auto",
        random_state=None,
    ):
        self.student = student
        self.skill = skill
        self.response = response
        self.skills = skills
        self.handle_unknown = handle_unknown
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.averaging = averaging
        self.batch_size = batch_size
        self.max_length = max_length
        self.max_grad_norm = max_grad_norm
        self.reconstruction = reconstruction
        self.waviness_l1 = waviness_l1
        self.waviness_l2 = waviness_l2
        self.max_epochs = max_epochs
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
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row an interaction, in the order of time for each student. Columns other
            than the three are not looked at.

        y : array-like of shape (n_samples,)
            1 where the answer was correct, 0 where it was wrong: the column of
            responses. A row whose response in `X` is NaN is learned from if `y` knows
            better, but later rows do not see it. Leave out rows that were not answered:
            filled with 0 they would be wrong answers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss. A row of weight zero counts nowhere, but is
            part of the history of later rows.

        groups : array-like of shape (n_samples,), default=None
            Students of one group, such as a class, are never split by `early_stopping`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ImportError
            If torch or skorch is missing.

        ValueError
            If a column is missing, a response is none of 0, 1 and NaN, a student or
            skill is missing, `y` is not 0 and 1 or differs from the responses, a
            student is in several groups, there are too few students to hold some out,
            the loss diverges, or there is a `checkpoint` and `random_state` is no int.

        OSError
            If `checkpoint` is no folder that can be written to, or the disk is full.

        Warns
        -----
        UserWarning
            If a file of `checkpoint` is damaged, and training begins anew.
        """
        # If this fit fails, the old network would no longer fit what is set here.
        for name in ("network_", "history_", "n_iter_"):
            vars(self).pop(name, None)
        return self._fit(
            X,
            y,
            sample_weight,
            groups,
            max_epochs=self.max_epochs,
            early_stopping=self.early_stopping,
            checkpointed=True,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for exactly one epoch, without holding out students.

        Training goes on where it was: after `fit` with early stopping, with the weights
        of the last epoch, which need not be those of the best. An interrupted call
        leaves the network as it was before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Whole histories of students, as for `fit`.

        y : array-like of shape (n_samples,)
            As for `fit`.

        classes : array-like of shape (2,), default=None
            Not needed, as classes are 0 and 1; here for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            As for `fit`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            As for `fit`; also for a skill that the first call did not see, unless
            `skills` names it, for other layers than the network has, and for
            `class_weight="balanced"`, as one call does not know all responses.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit cannot balance classes of which it sees a part: give "
                "class_weight a dict, or pass sample_weight."
            )
        if classes is not None and not np.array_equal(np.unique(classes), [0, 1]):
            raise ValueError(f"classes must be 0 and 1, got {classes!r}.")
        return self._fit(X, y, sample_weight, max_epochs=1, early_stopping=False)

    def predict_proba(self, X):
        """Predict the probability of a correct answer from what came before it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Interactions as for `fit`, the responses included. Rows to be predicted that
            have no answer yet have the response NaN.

        Returns
        -------
        proba : ndarray of shape (n_samples, 2)
            Probability of a wrong and of a correct answer, computed in float32 and
            returned as float64. A row's own response and later rows have no part in it,
            nor have other students.

        Raises
        ------
        ValueError
            If a column is missing, or a value cannot be used.
        """
        from skestimators.neural_network._dkt_network import predict_logits

        data = self._data(X)
        correct = expit(predict_logits(self.network_, data))
        return np.column_stack([1 - correct, correct])

    def predict(self, X):
        """Predict whether answers are correct.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Interactions, as for `predict_proba`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            1 where a correct answer is more probable than not, else 0.
        """
        correct = self.predict_proba(X)[:, 1]
        return self.classes_[(correct > 0.5).astype(int)]

    def predict_mastery(self, X):
        """Predict what each student knows after each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Interactions, as for `predict_proba`.

        Returns
        -------
        mastery : ndarray of shape (n_samples, n_skills), float32
            Probability of a correct answer to each of `skills_`, if it were asked for
            after the row. Unlike `predict_proba`, it knows the response of the row.
        """
        from skestimators.neural_network._dkt_network import predict_all_skills

        data = self._data(X, after=True)
        return predict_all_skills(self.network_, data)

    def predict_next(self, history, skills):
        """Predict the next answer of one student, for each of some skills.

        The state after a history is remembered: in a running lesson, a call after each
        answer reads the history, but runs the network for one step only.

        Parameters
        ----------
        history : array-like of shape (n_samples, n_features) or None
            All interactions of one student, as for `fit`. None or no rows is a student
            of whom nothing is known.

        skills : array-like of shape (n_candidates,)
            Candidates: skills, or cells of several joined with `"~"`.

        Returns
        -------
        proba : ndarray of shape (n_candidates,)
            Probability of a correct answer to each.

        Raises
        ------
        ValueError
            If the history is not of one student, or a value cannot be used.
        """
        check_is_fitted(self)
        from skestimators.neural_network._dkt_network import predict_single

        answers = self._answers(history)
        candidates = skills_of_candidates(skills)
        self._check_unknown(candidates, "skills")
        logits = predict_single(
            self.network_,
            answers,
            candidates,
            self._numbers(),
            vars(self).setdefault("_states", {}),
        )
        return expit(logits)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
