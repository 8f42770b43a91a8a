"""What a metric returns where its formula is 0 / 0."""

import warnings

from sklearn.exceptions import UndefinedMetricWarning


def undefined_score(metric, reason, value):
    """Warn that a metric is undefined, and return the value it is set to.

    Parameters
    ----------
    metric : str
        Name of the metric.

    reason : str
        Why it is undefined, to follow the word "because".

    value : float
        The finite value that stands for it, so that a search never ranks by nan.

    Returns
    -------
    value : float
        The parameter.
    """
    # Past this function, the metric and its wrapper that validates parameters.
    warnings.warn(
        f"{metric} is undefined because {reason}; it is set to {value:.3g}.",
        UndefinedMetricWarning,
        stacklevel=4,
    )
    return value
