"""Find the code on a page, and compare what it prints with what the page shows."""

import re

import numpy as np

# Letters and digits, as in A42G: what a model chose, which near-ties may change.
_NAME = re.compile(r"\w*(?:[^\W\d]\d|\d[^\W\d])\w*")
_DECIMAL = re.compile(r"-?\b\d+\.\d*(?:e[-+]\d+)?")


def assert_shows(shown, printed):
    """Compare the text that a page shows with what its code prints.

    Lines, words and whole numbers have to be the same. Decimals differ a little
    between processors.
    """
    assert len(printed.splitlines()) == len(shown.splitlines()), printed
    assert _words(printed) == _words(shown)
    np.testing.assert_allclose(
        _decimals(printed), _decimals(shown), rtol=0.05, atol=0.1
    )


def _words(text):
    return _NAME.sub("name", _DECIMAL.sub("", text)).split()


def _decimals(text):
    return [float(number) for number in _DECIMAL.findall(text)]
