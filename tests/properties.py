"""How long hypothesis looks for an example that breaks a property."""

import os

from hypothesis import HealthCheck, settings

# The same examples each time where nobody is there to run it again.
_REPEATABLE = {"derandomize": bool(os.environ.get("CI")), "database": None}


def examples(number):
    """Return the decorator of a property that is tried on so many examples."""
    # Fixtures make folders and files, which an example may overwrite.
    unsuited = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        deadline=None,
        max_examples=number,
        suppress_health_check=unsuited,
        **_REPEATABLE,
    )


def attempt(function, *arguments):
    """Return what a function returns and None, or None and its ValueError."""
    try:
        return function(*arguments), None
    except ValueError as error:
        return None, error
