"""Glue from scikit-learn's callback protocol to training loops."""

from contextlib import contextmanager


class FitTask:
    """What callbacks see of one call of `fit`: a task made of steps.

    Parameters
    ----------
    estimator : Estimator
        The estimator being fitted.

    max_steps : int or None
        Number of steps, None if it is not known.

    X, y : array-like
        The training data, as scorers are to see it.

    metadata : dict or None, default=None
        Further fit arguments, such as the sample weight. Those that are None are
        left out.

    sequential : bool, default=True
        False if steps may run at the same time; they are then numbered by the
        caller.
    """

    def __init__(
        self, estimator, *, max_steps, X, y=None, metadata=None, sequential=True
    ):
        self._estimator = estimator
        metadata = {k: v for k, v in (metadata or {}).items() if v is not None}
        self._data = {"X": X, "y": y, "metadata": metadata}
        self._context = estimator._init_callback_context(
            max_subtasks=max_steps, sequential_subtasks=sequential
        )

    def begin(self, context=None):
        """Tell callbacks that the task, or the step of this context, begins."""
        (context or self._context).call_on_fit_task_begin(
            estimator=self._estimator, **self._data
        )

    def end(self, context=None, fitted_attributes=None):
        """Tell callbacks that it ended; return True if one of them asks to stop."""
        return (context or self._context).call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=fitted_attributes,
            **self._data,
        )

    def begin_step(self, name, task_id=None, *, parent=None, max_steps=0):
        """Begin a step and return its context, to be passed to `end`.

        `parent` is the step it is a part of, None for the task itself, and `max_steps`
        the number of parts it has of its own.
        """
        context = (parent or self._context).subcontext(
            task_name=name, task_id=task_id, max_subtasks=max_steps
        )
        self.begin(context)
        return context


@contextmanager
def fit_task(estimator, **kwargs):
    """Run the body of `fit` as a task that callbacks can follow.

    Parameters
    ----------
    estimator : Estimator
        The estimator being fitted. When the block ends it must be ready to predict.

    **kwargs : dict
        The other parameters of `FitTask`.

    Yields
    ------
    task : FitTask
        Its `begin_step` and `end` report the steps.
    """
    task = FitTask(estimator, **kwargs)
    task.begin()
    yield task
    task.end(fitted_attributes={})
