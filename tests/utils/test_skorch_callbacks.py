"""Early stopping by a score that may stand still while the loss falls."""

from types import SimpleNamespace

import pytest
import torch
from skorch.history import History

from skestimators.utils._skorch_callbacks import EarlyStopping


def _run(losses, scores):
    """Return the number of epochs until it is over, and which one was the best."""
    callback = EarlyStopping(2, 0.0, score=None if scores is None else "score")
    history, network = History(), torch.nn.Linear(1, 1)
    net = SimpleNamespace(history=history, network=network)
    for epoch, loss in enumerate(losses):
        history.new_epoch()
        history.record("valid_loss", float(loss))
        if scores is not None:
            history.record("score", scores[epoch])
        torch.nn.init.constant_(network.weight, epoch)
        callback.on_epoch_end(net)
        if callback.is_over:
            break
    callback.on_train_end(net)
    return len(history), int(network.weight)


@pytest.mark.parametrize(
    ("losses", "scores", "expected"),
    [
        # Without a score the loss counts.
        ([3, 2, 1, 2, 2, 0], None, (5, 2)),
        # All is forecast quiet at first, as one class is rare: the loss decides.
        ([5, 4, 3, 2, 1], [0, 0, 0, 0, 0.5], (5, 4)),
        ([5, 4, 5, 5, 1], [0, 0, 0, 0, 0.5], (4, 1)),
        # A better score with a larger loss is better; a worse one never is.
        ([1, 2, 3, 1, 1], [0.1, 0.2, 0.3, 0.2, 0.2], (5, 2)),
        # Where the score is not defined, the loss decides.
        ([3, 2, 1, 2, 2, 0], [float("nan")] * 6, (5, 2)),
    ],
)
def test_best_epoch_and_patience(losses, scores, expected):
    assert _run(losses, scores) == expected
