"""The heat map of one student's knowledge."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from skestimators.inspection._heat_map import (
    draw_heat_map,
    draw_legend,
    draw_markers,
    new_axes,
)
from skestimators.inspection._interactions import (
    cell_name,
    check_mastery,
    check_skills,
    rows_of_student,
    skills_asked,
)
from skestimators.preprocessing._columns import as_table, column_index
from skestimators.preprocessing._interactions import (
    SKILL_SEPARATOR,
    read_interactions_table,
)
from skestimators.utils._optional import import_optional


class KnowledgeStateDisplay:
    """Heat map of what one student knows, from answer to answer.

    Each row is a skill and each column an interaction, in time order. The colour is the
    probability, after that interaction, of a correct answer to the skill. Answers are
    marked in the rows of the skills they were given to: a filled circle if correct, an
    open one if wrong, a cross if it is not known.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are stored as attributes.

    Parameters
    ----------
    mastery : ndarray of shape (n_interactions, n_skills)
        Probability of a correct answer to each skill after each interaction.

    asked : ndarray of bool of shape (n_interactions, n_skills)
        Whether the interaction was about the skill.

    response : ndarray of shape (n_interactions,)
        1 for a correct answer, 0 for a wrong one, NaN if it is not known.

    skill_names : list of str
        Label of each skill. In the plot, long ones are cut in the middle.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The heat map, an array of shape (n_skills, n_interactions).

    markers_ : dict of matplotlib PathCollection
        The marks of the answers, with the keys `"correct"`, `"wrong"` and `"unknown"`.
        The first interaction is at x = 1, the first skill at y = 0.

    ax_ : matplotlib Axes
        Axes with the heat map.

    figure_ : matplotlib Figure
        Figure that holds it.

    See Also
    --------
    KnowledgeStateDisplay.from_estimator : Plot from a fitted estimator and a table of
        interactions.
    KnowledgeStateDisplay.from_predictions : Plot probabilities that are there already.

    References
    ----------
    .. [1] C. Piech, J. Bassen, J. Huang, S. Ganguli, M. Sahami, L. Guibas and
       J. Sohl-Dickstein, "Deep Knowledge Tracing", Advances in Neural Information
       Processing Systems 28, 2015, figure 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.inspection import KnowledgeStateDisplay
    >>> display = KnowledgeStateDisplay(
    ...     np.array([[0.6, 0.4], [0.5, 0.4], [0.7, 0.8]]),
    ...     asked=np.array([[True, False], [True, False], [True, True]]),
    ...     response=np.array([1, 0, 1]),
    ...     skill_names=["adding", "fractions"],
    ... )
    >>> display.plot().im_.get_array().shape
    (2, 3)
    """

    def __init__(self, mastery, *, asked, response, skill_names):
        self.mastery = mastery
        self.asked = asked
        self.response = response
        self.skill_names = skill_names

    def plot(self, *, cmap="RdYlBu", ax=None, colorbar=True):
        """Plot the heat map.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, default="RdYlBu"
            Colours from 0 to 1. Those of the default part at a half, and red-green
            blindness does not mix them up.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made, as large as the number of
            skills and interactions asks for.

        colorbar : bool, default=True
            Whether to add a colour bar.

        Returns
        -------
        display : KnowledgeStateDisplay
            The display itself, with the attributes of a plot.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        import_optional("matplotlib", extra="plot", caller="KnowledgeStateDisplay")
        # In a figure that others are yet to lay out, these axes may become narrow.
        one_line = ax is None or ax.figure.get_layout_engine() is None
        ax = new_axes(self.mastery, self.skill_names) if ax is None else ax
        self.im_ = draw_heat_map(
            ax, self.mastery, self.skill_names, cmap=cmap, colorbar=colorbar
        )
        self.markers_ = draw_markers(ax, self.asked, self.response)
        draw_legend(ax, self.markers_, one_line=one_line)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        student=None,
        skills=None,
        max_skills=20,
        skill_labels=None,
        cmap="RdYlBu",
        ax=None,
        colorbar=True,
    ):
        """Plot what an estimator thinks that a student knows.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~skestimators.neural_network.DKTClassifier`, or anything
            with its method `predict_mastery`, its attribute `skills_` and its
            parameters `student`, `skill` and `response`; or a fitted
            :class:`~sklearn.pipeline.Pipeline` that ends with one.

        X : array-like of shape (n_samples, n_features)
            Interactions, as the estimator takes them: one a row, those of a student in
            time order.

        student : hashable, default=None
            The student whose knowledge to show. May be None if `X` has no other.

        skills : list of str or number, default=None
            The skills to show, from top to bottom. None shows those that the student
            was asked, in the order of their first question.

        max_skills : int or None, default=20
            If `skills` is None, the largest number of skills to show. Those that were
            asked most often are kept. None shows all.

        skill_labels : dict, default=None
            What to call skills in the plot. The others keep the names in `skills_`.

        cmap : str or matplotlib Colormap, default="RdYlBu"
            Colours from 0 to 1.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made.

        colorbar : bool, default=True
            Whether to add a colour bar.

        Returns
        -------
        display : KnowledgeStateDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the student has no rows in `X`, or is None while `X` has rows of several
            students; if a column that the estimator's parameters name is not there; or
            as in :meth:`from_predictions`.

        TypeError
            If the estimator has no method `predict_mastery`.

        ImportError
            If matplotlib is not installed.

        Notes
        -----
        Skills that the estimator does not know have no row, and answers to them no
        mark.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from sklearn.base import BaseEstimator
        >>> from skestimators.inspection import KnowledgeStateDisplay
        >>> class AlwaysHalf(BaseEstimator):
        ...     student, skill, response = "student", "skill", "response"
        ...
        ...     def fit(self, X, y=None):
        ...         self.skills_ = np.array(["adding", "fractions"])
        ...         return self
        ...
        ...     def predict_mastery(self, X):
        ...         return np.full((len(X), 2), 0.5)
        >>> X = pd.DataFrame(
        ...     {
        ...         "student": ["Ann", "Bo", "Ann"],
        ...         "skill": ["fractions", "adding", "adding~fractions"],
        ...         "response": [0, 1, 1],
        ...     }
        ... )
        >>> display = KnowledgeStateDisplay.from_estimator(
        ...     AlwaysHalf().fit(X), X, student="Ann"
        ... )
        >>> display.skill_names
        ['fractions', 'adding']
        """
        model, X = _model_and_table(estimator, X)
        # All rows are read, for the numbers of bad ones to be those of X.
        columns = _read(X, model.student, model.skill, model.response)
        index = column_index(X, model.student, parameter="student")
        students = np.asarray(_safe_indexing(X, index, axis=1), dtype=object)
        rows = rows_of_student(students, columns.students, student)
        return cls.from_predictions(
            model.predict_mastery(_safe_indexing(X, rows)),
            [SKILL_SEPARATOR.join(columns.skill_sets[k]) for k in columns.cells[rows]],
            columns.responses[rows],
            skill_names=model.skills_,
            skills=skills,
            max_skills=max_skills,
            skill_labels=skill_labels,
            cmap=cmap,
            ax=ax,
            colorbar=colorbar,
        )

    @classmethod
    def from_predictions(
        cls,
        mastery,
        skill,
        response,
        *,
        skill_names,
        skills=None,
        max_skills=20,
        skill_labels=None,
        cmap="RdYlBu",
        ax=None,
        colorbar=True,
    ):
        """Plot what a student knows, given the probabilities.

        Parameters
        ----------
        mastery : array-like of shape (n_interactions, n_skills)
            Probability of a correct answer to each skill after each interaction of one
            student, in time order.

        skill : array-like of shape (n_interactions,)
            The skill of each interaction, as text or number. Several skills are joined
            by `~`, as in `"12~31"`.

        response : array-like of shape (n_interactions,)
            1 for a correct answer, 0 for a wrong one, NaN if it is not known.

        skill_names : array-like of shape (n_skills,)
            The skill of each column of `mastery`.

        skills : list of str or number, default=None
            The skills to show, from top to bottom. None shows those that the student
            was asked, in the order of their first question.

        max_skills : int or None, default=20
            If `skills` is None, the largest number of skills to show. Those that were
            asked most often are kept. None shows all.

        skill_labels : dict, default=None
            What to call skills in the plot. The others keep their `skill_names`.

        cmap : str or matplotlib Colormap, default="RdYlBu"
            Colours from 0 to 1.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made.

        colorbar : bool, default=True
            Whether to add a colour bar.

        Returns
        -------
        display : KnowledgeStateDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If lengths differ; if `mastery` holds anything but probabilities, or
            `response` anything but 1, 0 and NaN; if one of `skills` is not among
            `skill_names`, or none of those in `skill` is.

        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from skestimators.inspection import KnowledgeStateDisplay
        >>> display = KnowledgeStateDisplay.from_predictions(
        ...     [[0.5, 0.4, 0.7], [0.6, 0.5, 0.7], [0.6, 0.4, 0.6], [0.7, 0.6, 0.7]],
        ...     skill=["12", "12", "31", "12~31"],
        ...     response=[0, 1, 0, 1],
        ...     skill_names=["12", "31", "45"],
        ...     skill_labels={"31": "Circle graphs"},
        ... )
        >>> display.skill_names
        ['12', 'Circle graphs']
        >>> display.figure_.savefig("knowledge.png")  # doctest: +SKIP
        """
        import pandas as pd

        names = [cell_name(name) for name in np.asarray(skill_names).tolist()]
        mastery = check_mastery(mastery, skill, response, names)
        # As arrays, for a Series would be put in the order of its index.
        table = {
            "student": 0,
            "skill": np.asarray(skill, dtype=object),
            "response": np.asarray(response, dtype=object),
        }
        columns = _read(pd.DataFrame(table), *table)
        cells = [columns.skill_sets[cell] for cell in columns.cells]
        if skills is None:
            shown = skills_asked(cells, names, max_skills)
        else:
            shown = check_skills(skills, names)
        labels = {cell_name(name): v for name, v in (skill_labels or {}).items()}
        display = cls(
            mastery[:, [names.index(name) for name in shown]],
            asked=np.array([[name in cell for name in shown] for cell in cells]),
            response=columns.responses,
            skill_names=[str(labels.get(name, name)) for name in shown],
        )
        return display.plot(cmap=cmap, ax=ax, colorbar=colorbar)


def _model_and_table(estimator, X):
    """Return the last step of a pipeline, and what the steps before it make of `X`."""
    model = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not hasattr(model, "predict_mastery"):
        raise TypeError(
            f"{type(model).__name__} has no method predict_mastery. Pass a "
            f"DKTClassifier, or a Pipeline that ends with one; of a search, its "
            f"best_estimator_."
        )
    check_is_fitted(estimator)
    if model is not estimator and len(estimator) > 1:
        X = estimator[:-1].transform(X)
    return model, as_table(X, estimator="KnowledgeStateDisplay.from_estimator")


def _read(X, student, skill, response):
    return read_interactions_table(
        X,
        student=student,
        skill=skill,
        response=response,
        estimator="KnowledgeStateDisplay",
    )
