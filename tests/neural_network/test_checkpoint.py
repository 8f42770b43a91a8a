"""A fit that was cut off goes on after the last epoch, to the same end: torch."""

import numpy as np
import pytest
from activation_instances import CURVED
from activation_instances import small as small_search
from neural_network.checkpoint_cases import (
    Epochs,
    assert_goes_on,
    assert_same,
    fit,
    kill,
    result_of,
)
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import make_moons, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skestimators import DKTClassifier, TorchMLPRegressor, VGGFlareClassifier
from skestimators.datasets import make_student_responses
from skestimators.feature_extraction._vgg_engine import Engine

ROWS = make_regression(120, 5, random_state=0)
ROWS = ROWS[0], scale(ROWS[1])
MOONS = make_moons(100, noise=0.2, random_state=0)
ANSWERS = make_student_responses(25, n_interactions=10, random_state=0).frame
ANSWERS = ANSWERS, ANSWERS["response"].to_numpy()
MLP = TorchMLPRegressor(
    (16,), learning_rate=0.05, max_epochs=30, n_iter_no_change=3, random_state=0
)
DKT = DKTClassifier(hidden_layer_sizes=(8,), max_epochs=5, random_state=0)


@pytest.mark.parametrize(
    "params",
    [{}, {"dropout": 0.2, "early_stopping": False, "max_epochs": 6}],
    ids=["stopping", "dropout"],
)
def test_mlp(params, tmp_path):
    mlp = clone(MLP).set_params(**params)
    whole, _ = assert_goes_on(mlp, ROWS, tmp_path, cuts=[1, 2, 4])
    assert whole.n_iter_ == 6 if "dropout" in params else 6 < whole.n_iter_ < 30


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": 0.1, "n_iter_no_change": 2, "max_epochs": 20},
        {"averaging": 0, "early_stopping": False, "reconstruction": 0.1, "cell": "gru"},
    ],
    ids=["average", "plain"],
)
def test_dkt_and_its_next_partial_fit(params, tmp_path):
    dkt = clone(DKT).set_params(**params)
    fitted = assert_goes_on(dkt, ANSWERS, tmp_path, cuts=[2, 2])
    whole, again = (result_of(one.partial_fit(*ANSWERS), ANSWERS[0]) for one in fitted)
    assert_same(again, whole)


def test_search_for_an_activation_in_each_of_its_phases(tmp_path):
    search = small_search(search_space=CURVED, hidden_layer_sizes=(4,))
    # Two epochs of search, those of the candidates, and three of the final training.
    whole, _ = assert_goes_on(search, MOONS, tmp_path, cuts=[2, 2, 2, 3, 4, 2])
    assert len(whole.candidates_) > 2


def test_search_that_drops_operations_and_is_of_second_order(tmp_path):
    search = small_search(
        search_space=CURVED,
        hidden_layer_sizes=(4,),
        search_epochs=4,
        max_epochs=2,
        n_search_stages=2,
        n_candidates=1,
        second_order=True,
    )
    whole, _ = assert_goes_on(search, MOONS, tmp_path, cuts=[2, 3, 2])
    assert all(np.isinf(alphas[-1]).any() for alphas in whole.alphas_.values())


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Twelve images, one of them damaged, and a network that sees their mean only."""
    n_runs = []

    def run(engine, images):
        n_runs.append(len(images))
        features = np.zeros((len(images), *engine.output_shape((224, 224))), np.float32)
        features.reshape(len(images), -1)[:, 0] = images.mean((1, 2, 3)) / 100
        return features

    monkeypatch.setattr(Engine, "_run", run)
    paths = [str(tmp_path / f"{number}.png") for number in range(12)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((224, 224), 20 * number, dtype=np.uint8)).save(path)
    (tmp_path / "5.png").write_bytes(b"damaged")
    return (np.array(paths, dtype=object), np.arange(12) % 2), n_runs


FLARES = VGGFlareClassifier(
    "random",
    max_epochs=4,
    batch_size=3,
    learning_rate=0.05,
    validation_fraction=0.4,
    random_state=0,
)


@pytest.mark.filterwarnings("ignore:1 of 12 image files cannot be read")
@pytest.mark.parametrize("cache", [None, "features.db"])
def test_flares(cache, images, tmp_path):
    data, n_runs = images
    flares = clone(FLARES).set_params(cache=cache and tmp_path / cache)
    assert_goes_on(flares, data, tmp_path / "fits", cuts=[2, 2])
    # The file of the result spares the frozen layers, too.
    del n_runs[:]
    again, _ = fit(flares, data, tmp_path / "fits")
    assert n_runs == []
    assert again.unreadable_["row"].tolist() == [5]
    # Other content is another fit.
    Image.fromarray(np.full((224, 224), 7, dtype=np.uint8)).save(data[0][5])
    changed, n_epochs = fit(flares, data, tmp_path / "fits")
    assert n_epochs == changed.n_iter_
    assert len(changed.unreadable_) == 0


def test_frozen_layers_are_not_written(tmp_path, images):
    flares = clone(FLARES).set_params(early_stopping=False)
    fit(flares, (images[0][0][:5], images[0][1][:5]), tmp_path / "fits")
    [folder] = (tmp_path / "fits").iterdir()
    # Two classes of 4096 weights and a bias, with Adam's two moments of each.
    assert (folder / "training.zip").stat().st_size < 4 * 3 * 2 * 4097 + 4000


def test_an_end_that_a_callback_asked_for_is_the_end(tmp_path):
    ended, n_epochs = fit(MLP, ROWS, tmp_path, end=3)
    assert ended.n_iter_ == n_epochs == 3
    again, n_epochs = fit(MLP, ROWS, tmp_path)
    assert (again.n_iter_, n_epochs) == (3, 0)
    assert_same(result_of(again, ROWS[0]), result_of(ended, ROWS[0]))


def test_folds_and_candidates_share_a_folder(tmp_path):
    def search(folder, epochs):
        mlp = clone(MLP).set_params(checkpoint=folder, max_epochs=4)
        params = {"dropout": [0.0, 0.2]}
        grid = GridSearchCV(mlp.set_callbacks(epochs), params, cv=2)
        return grid.fit(*ROWS).cv_results_["mean_test_score"]

    whole = search(None, Epochs())
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Epochs(cut=10))
    resumed = Epochs()
    np.testing.assert_array_equal(search(tmp_path, resumed), whole)
    # Two candidates, two folds and the refit.
    assert len(list(tmp_path.iterdir())) == 5
    assert resumed.n_epochs == 5 * 4 - 9


def test_two_processes_with_the_same_fit_do_not_harm_each_other(tmp_path):
    whole, _ = fit(MLP, ROWS, None)

    class Another(Epochs):
        def on_fit_task_end(self, estimator, context):
            if self.n_epochs == 3:
                fit(MLP, ROWS, tmp_path, cut=6)
            elif self.n_epochs == 5:
                fit(MLP, ROWS, tmp_path)
            return super().on_fit_task_end(estimator, context)

    slow = clone(MLP).set_params(checkpoint=tmp_path).set_callbacks(Another())
    assert_same(result_of(slow.fit(*ROWS), ROWS[0]), result_of(whole, ROWS[0]))
    again, _ = fit(MLP, ROWS, tmp_path)
    assert_same(result_of(again, ROWS[0]), result_of(whole, ROWS[0]))


def test_a_damaged_file_is_said_and_the_fit_begins_anew(tmp_path):
    whole, _ = fit(MLP, ROWS, None)
    fit(MLP, ROWS, tmp_path, cut=4)
    [path] = tmp_path.rglob("training.zip")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=f"{path} is damaged"):
        again, n_epochs = fit(MLP, ROWS, tmp_path)
    assert n_epochs == whole.n_iter_
    assert_same(result_of(again, ROWS[0]), result_of(whole, ROWS[0]))


def test_a_fit_that_diverges_does_so_again(tmp_path):
    wild = clone(MLP).set_params(learning_rate=1e30)
    for _ in range(2):
        with pytest.raises(ValueError, match="loss became"):
            fit(wild, ROWS, tmp_path)


@pytest.mark.parametrize("estimator", [MLP, DKT, small_search(), FLARES], ids=str)
def test_random_state_must_be_an_int(estimator, images, tmp_path):
    data = {
        "TorchMLPRegressor": ROWS,
        "DKTClassifier": ANSWERS,
        "ActivationSearchNet": MOONS,
        "VGGFlareClassifier": images[0],
    }[type(estimator).__name__]
    with pytest.raises(ValueError, match="needs an int for random_state, got None"):
        fit(clone(estimator).set_params(random_state=None), data, tmp_path)


def test_warm_start_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be used with warm_start=True"):
        fit(small_search(warm_start=True), MOONS, tmp_path)


MLP_IN_A_PROCESS = """
    kill_at(int(sys.argv[2]), written=sys.argv[3] == "written")
    from sklearn.datasets import make_regression
    from sklearn.preprocessing import scale
    from skestimators import TorchMLPRegressor

    X, y = make_regression(120, 5, random_state=0)
    params = {params}
    TorchMLPRegressor(**params, checkpoint=sys.argv[1]).fit(X, scale(y))
"""


@pytest.mark.parametrize("moment", ["written", "being written"])
def test_killed_when_the_fourth_epoch_is(moment, tmp_path):
    params = {k: v for k, v in MLP.get_params().items() if k != "checkpoint"}
    kill(MLP_IN_A_PROCESS.format(params=params), tmp_path, 4, moment)
    whole, n_whole = fit(MLP, ROWS, None)
    again, n_epochs = fit(MLP, ROWS, tmp_path)
    assert n_whole - n_epochs == (4 if moment == "written" else 3)
    assert_same(result_of(again, ROWS[0]), result_of(whole, ROWS[0]))
