"""Small networks use one thread, and leave torch's setting as it was."""

import numpy as np
import pytest

from skestimators import TorchMLPRegressor

torch = pytest.importorskip("torch")


class Watching(torch.nn.Module):
    """An activation that notes how many threads torch uses."""

    seen = set()

    def forward(self, x):
        self.seen.add(torch.get_num_threads())
        return torch.relu(x)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    Watching.seen.clear()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("n_hidden", "batch_size", "n_threads"), [(8, 16, 1), (12_000, 2_000, 2)]
)
def test_only_large_batches_of_large_networks_are_shared(
    n_hidden, batch_size, n_threads, two_threads
):
    X = np.random.default_rng(0).normal(size=(2_000, 20)).astype(np.float32)
    TorchMLPRegressor(
        (n_hidden,), activation=Watching(), batch_size=batch_size, max_epochs=1
    ).fit(X, X[:, 0])
    assert Watching.seen == {n_threads}
    assert torch.get_num_threads() == 2
