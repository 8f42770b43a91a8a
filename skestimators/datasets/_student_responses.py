"""Simulator of students who answer exercises and learn."""

from numbers import Integral, Real

import numpy as np
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

# Standard deviations of the skills that students start with, and of difficulties.
_SKILL, _DIFFICULTY = 1.5, 4.0
# Correlation of a student's skills in two concepts.
_CORRELATION = 0.8

_DESCR = """\
Simulated students who answer exercises and learn by them.

frame: student, skill (the exercise) and response (1 correct, 0 wrong), by student and
in time order.
probability: of a correct answer, given the student's hidden skill at that time.
concept, difficulty: of each exercise.
initial_skill: of each student in each concept.
gain: by how much the skill in its concept grows with each exercise.
"""


@validate_params(
    {
        "n_students": [Interval(Integral, 1, None, closed="left")],
        "n_exercises": [Interval(Integral, 1, None, closed="left")],
        "n_concepts": [Interval(Integral, 1, None, closed="left")],
        "n_interactions": [Interval(Integral, 1, None, closed="left")],
        "guess": [Interval(Real, 0, 1, closed="left")],
        "learning": [Interval(Real, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_student_responses(
    n_students=2000,
    *,
    n_exercises=50,
    n_concepts=5,
    n_interactions=100,
    guess=0.25,
    learning=4.0,
    shuffle=True,
    random_state=None,
):
    r"""Simulate students who answer exercises and learn by them.

    This follows section 5 of Piech et al. [1]_. An exercise j belongs to one concept
    and has a difficulty :math:`\beta_j`; a student has a hidden skill :math:`\alpha` in
    each concept. By item response theory with guessing, the answer is correct with
    probability

    .. math:: p = c + \frac{1 - c}{1 + \exp(\beta_j - \alpha)},

    c being `guess`. Each exercise raises the skill in its concept, whatever the answer.
    A model is told which exercises were answered and how, but nothing of concepts.

    The paper does not say how large skills, difficulties and gains are. Here,

    - difficulties are normal with mean 0 and standard deviation 4;
    - skills start normal with mean `-learning / 2` and standard deviation 1.5; two
      concepts of a student correlate by .8;
    - each of the `n_interactions` exercises adds `learning * n_concepts /
      n_interactions`, so that a skill rises by about `learning` in all, from below the
      mean difficulty to as much above.

    No model can know a skill before it has seen answers, so that none has the AUC of
    the true probabilities. How near it can come depends on how much students differ at
    the start, which answers tell only by and by. With the default values, exact
    inference by somebody who knows concepts, difficulties and gains comes within .009,
    and without looking at answers within .026. With standard deviations of 1 and
    `learning=1`, it would only come within .026.

    Parameters
    ----------
    n_students : int, default=2000
        Number of students.

    n_exercises : int, default=50
        Number of different exercises. Concepts have equally many, or one more.

    n_concepts : int, default=5
        Number of concepts, at most `n_exercises`.

    n_interactions : int, default=100
        Number of answers of each student, 50 in the paper. An exercise comes again only
        after all others have.

    guess : float, default=0.25
        Probability of a correct answer without any skill, in [0, 1).

    learning : float, default=4.0
        By how much a skill rises in all, in units of the logit. With 0 students do not
        learn.

    shuffle : bool, default=True
        Whether each student has an order of exercises of their own. In the paper, all
        have the same. The place in this order then tells how much was learned, an
        exercise is only ever seen after the same others, and neither growth nor
        concepts need be found to predict the answer.

    random_state : int, RandomState instance or None, default=None
        Determines students, exercises and answers. Pass an int for reproducible output
        across multiple function calls.

    Returns
    -------
    responses : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes; n is `n_students *
        n_interactions`.

        frame : DataFrame of shape (n, 3)
            Columns `student`, `skill`, which is the exercise, both numbered from 0, and
            `response`, 1 if correct and 0 if wrong, of dtype int64. Rows are ordered by
            student, then by time.
        probability : ndarray of shape (n,)
            The true probability of a correct answer, given the hidden skill.
        concept : ndarray of shape (n_exercises,)
            The concept of each exercise, numbered from 0.
        difficulty : ndarray of shape (n_exercises,)
            The difficulty of each exercise, in units of the logit.
        initial_skill : ndarray of shape (n_students, n_concepts)
            The skills before the first exercise, in units of the logit.
        gain : float
            By how much an exercise raises the skill in its concept.
        DESCR : str
            A description of the data.

    Raises
    ------
    ValueError
        If there are more concepts than exercises.

    See Also
    --------
    read_interactions : Read answers of real students.

    References
    ----------
    .. [1] C. Piech et al., "Deep Knowledge Tracing", Advances in Neural Information
           Processing Systems 28 (2015), 505-513.

    Examples
    --------
    The AUC that a model may come near to:

    >>> from sklearn.metrics import roc_auc_score
    >>> from skestimators.datasets import make_student_responses
    >>> responses = make_student_responses(n_students=500, random_state=0)
    >>> responses.frame.shape
    (50000, 3)
    >>> auc = roc_auc_score(responses.frame["response"], responses.probability)
    >>> bool(0.8 < auc < 0.9)
    True
    """
    import pandas as pd

    if n_concepts > n_exercises:
        raise ValueError(
            f"n_concepts={n_concepts} must not be larger than "
            f"n_exercises={n_exercises}: an exercise belongs to one concept."
        )
    rng = check_random_state(random_state)
    concept = rng.permutation(n_exercises) % n_concepts
    difficulty = _DIFFICULTY * rng.normal(size=n_exercises)
    skill = _draw_skill(rng, n_students, n_concepts) - learning / 2
    gain = learning * n_concepts / n_interactions
    exercise = _draw_order(rng, n_students, n_exercises, n_interactions, shuffle)
    margin = _follow(skill, gain, concept[exercise]) - difficulty[exercise]
    probability = guess + (1 - guess) * expit(margin)
    response = rng.uniform(size=probability.shape) < probability
    student = np.repeat(np.arange(n_students), n_interactions)
    return Bunch(
        frame=pd.DataFrame(
            {
                "student": student,
                "skill": exercise.ravel(),
                "response": response.ravel().astype(np.int64),
            }
        ),
        probability=probability.ravel(),
        concept=concept,
        difficulty=difficulty,
        initial_skill=skill,
        gain=gain,
        DESCR=_DESCR,
    )


def _draw_skill(rng, n_students, n_concepts):
    """Draw the skill of each student in each concept."""
    shared = rng.normal(size=(n_students, 1))
    own = rng.normal(size=(n_students, n_concepts))
    return _SKILL * (np.sqrt(_CORRELATION) * shared + np.sqrt(1 - _CORRELATION) * own)


def _draw_order(rng, n_students, n_exercises, n_interactions, shuffle):
    """Draw the exercises of each student."""
    n_orders = n_students if shuffle else 1
    order = np.empty((n_orders, n_interactions), dtype=np.int64)
    for start in range(0, n_interactions, n_exercises):
        part = order[:, start : start + n_exercises]
        ranks = rng.uniform(size=(n_orders, n_exercises)).argsort(axis=1)
        part[:] = ranks[:, : part.shape[1]]
    return order if shuffle else np.repeat(order, n_students, axis=0)


def _follow(skill, gain, concept):
    """Return the skill of each student in the concept of each exercise, by then."""
    skill = skill.copy()
    students = np.arange(len(skill))
    seen = np.empty(concept.shape)
    for step in range(concept.shape[1]):
        now = concept[:, step]
        seen[:, step] = skill[students, now]
        skill[students, now] += gain
    return seen
