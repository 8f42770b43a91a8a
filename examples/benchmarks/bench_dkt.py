"""Knowledge tracing: AUC, speed against two other ways, scale, and the best possible.

Run on its own, for instance::

    python examples/benchmarks/bench_dkt.py --part auc --data folder

Parts: `auc` (ASSISTments 2009, default parameters), `speed` (seconds per epoch and to
reach a test AUC, against the straightforward way and the notebook's), `scale` (seconds
and memory per interaction, and `predict_next`), `simulator` (against the true
probabilities).

The folder holds assist2009_updated_train.csv and assist2009_updated_test.csv. AUC is
pooled over rows. Published figures leave out the first answer of a student, of which
most models say nothing; so does everything that is compared here.
"""

import argparse
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

N_THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(N_THREADS)

import numpy as np
import psutil
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torch.nn.utils.rnn import pad_sequence

from skestimators.datasets import make_student_responses, read_interactions
from skestimators.neural_network import DKTClassifier


def print_title(text):
    load = os.getloadavg()[0]
    print(f"\n{text}; {N_THREADS} threads, load {load:.2f}", flush=True)


def assist2009(folder):
    """Return training and test interactions."""
    if folder is None:
        raise SystemExit("This part needs --data.")
    names = ("assist2009_updated_train.csv", "assist2009_updated_test.csv")
    return [read_interactions(folder / name) for name in names]


def later_auc(X, scores):
    """AUC over the rows that are not the first of their student."""
    later = (X.groupby("student").cumcount() > 0).to_numpy()
    return roc_auc_score(X["response"][later], scores[later])


# AUC.


def bench_auc(args):
    """Fit the training file, which early stopping splits, and test once."""
    train, test = assist2009(args.data)
    print_title(f"auc: {len(train)} training rows, {len(test)} test rows")
    print(f"{'seed':>5} {'all rows':>9} {'later rows':>11} {'epochs':>7} {'s':>7}")
    found = []
    for seed in args.seeds:
        start = time.perf_counter()
        dkt = DKTClassifier(random_state=seed).fit(train, train["response"])
        seconds = time.perf_counter() - start
        scores = dkt.predict_proba(test)[:, 1]
        aucs = roc_auc_score(test["response"], scores), later_auc(test, scores)
        found.append(aucs)
        print(
            f"{seed:>5} {aucs[0]:9.5f} {aucs[1]:11.5f} {dkt.n_iter_:>7} {seconds:7.1f}",
            flush=True,
        )
    for name, values in (("mean", np.mean(found, 0)), ("sd", np.std(found, 0))):
        print(f"{name:>5} {values[0]:9.5f} {values[1]:11.5f}")


# Speed.


class Clock:
    """Tells how long training takes, and stands still while the AUC is measured.

    Training ends when the AUC, or the number of epochs, is high enough. It is also a
    callback of `fit`.
    """

    def __init__(self, X, target, max_epochs):
        self.X = X
        self.target = target
        self.max_epochs = max_epochs
        self.seconds = []
        self.aucs = []
        self.start = time.perf_counter()

    def epoch_ended(self, predict):
        """Measure the AUC, given a function that scores rows, and tell if to end."""
        self.seconds.append(time.perf_counter() - self.start)
        self.aucs.append(later_auc(self.X, predict(self.X)))
        self.start = time.perf_counter()
        return self.aucs[-1] >= self.target or len(self.aucs) == self.max_epochs

    def seconds_to(self, target):
        """Return the seconds until the AUC was first reached, NaN if it was not."""
        reached = np.flatnonzero(np.array(self.aucs) >= target)
        return sum(self.seconds[: reached[0] + 1]) if len(reached) else np.nan

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Hear of the end of an epoch."""
        if context.task_name != "epoch":
            return False
        return self.epoch_ended(lambda X: fitted_estimator.predict_proba(X)[:, 1])


def ours(train, clock, seed):
    """Split off students and watch the loss on them, as `fit` does."""
    dkt = DKTClassifier(device="cpu", random_state=seed)
    dkt.set_callbacks(clock).fit(train, train["response"])


class Network(nn.Module):
    """LSTM(200) and one logit a skill, as everybody would write it."""

    def __init__(self, n_skills, embedding):
        super().__init__()
        self.n_inputs = 2 * n_skills
        self.embedding = nn.Embedding(self.n_inputs, 200) if embedding else None
        self.lstm = nn.LSTM(200 if embedding else self.n_inputs, 200, batch_first=True)
        self.dropout = nn.Dropout(0.4)
        self.output = nn.Linear(200, n_skills)

    def forward(self, answers):
        """Return the logit of each skill after each answer."""
        if self.embedding is None:
            inputs = one_hot(answers, self.n_inputs).float()
        else:
            inputs = self.embedding(answers)
        return self.output(self.dropout(self.lstm(inputs)[0]))


class Students:
    """The answers of each student as a tensor: skill + n_skills * response."""

    def __init__(self, X, skills):
        codes = {skill: code for code, skill in enumerate(skills)}
        code = X["skill"].map(codes) + len(skills) * X["response"]
        self.n_skills = len(skills)
        self.rows = list(X.groupby("student", sort=False).indices.values())
        self.answers = [torch.from_numpy(code.to_numpy()[rows]) for rows in self.rows]

    def pieces(self, length):
        """Cut into pieces of so many predicted answers; none is lost at a cut."""
        return [
            answers[begin : begin + length + 1]
            for answers in self.answers
            for begin in range(0, len(answers) - 1, length)
        ]

    def split(self, pieces):
        """Pad pieces, and tell answers from the skill and response that follow."""
        padded = pad_sequence(pieces, batch_first=True, padding_value=-1)
        there = padded[:, 1:] >= 0
        padded = padded.clamp(min=0)
        skill, response = padded[:, 1:] % self.n_skills, padded[:, 1:] // self.n_skills
        return padded[:, :-1], skill, response.float(), there


def next_logits(network, answers, skill):
    return network(answers).gather(2, skill[:, :, None]).squeeze(2)


@torch.no_grad()
def predict(network, students):
    """Score each row from the whole history; first rows get NaN."""
    network.eval()
    scores = np.full(sum(map(len, students.rows)), np.nan)
    order = sorted(range(len(students.rows)), key=lambda i: len(students.rows[i]))
    order = [i for i in order if len(students.rows[i]) > 1]
    for begin in range(0, len(order), 64):
        chosen = order[begin : begin + 64]
        answers, skill, _, there = students.split([students.answers[i] for i in chosen])
        rows = np.concatenate([students.rows[i][1:] for i in chosen])
        scores[rows] = next_logits(network, answers, skill)[there].numpy()
    return scores


def train_network(train, clock, seed, embedding, length, rate, decay):
    """Random batches of 32, padded to the longest; padding is not in the loss."""
    torch.manual_seed(seed)
    skills = train["skill"].unique()
    # As many students are left out as `fit` holds out.
    split = GroupShuffleSplit(1, test_size=0.1, random_state=seed)
    kept, _ = next(split.split(train, groups=train["student"]))
    students = Students(train.iloc[kept], skills)
    pieces = students.pieces(length)
    network = Network(len(skills), embedding)
    parameters = list(network.parameters())
    adam = torch.optim.Adam(parameters, lr=rate)
    ended = False
    while not ended:
        network.train()
        for chosen in torch.randperm(len(pieces)).split(32):
            answers, skill, response, there = students.split(
                [pieces[i] for i in chosen]
            )
            logits = next_logits(network, answers, skill)
            loss = binary_cross_entropy_with_logits(logits[there], response[there])
            adam.zero_grad()
            loss.backward()
            # All gradients together or, in the notebook, each on its own.
            for clipped in [parameters] if embedding else parameters:
                nn.utils.clip_grad_norm_(clipped, 3.0)
            adam.step()
        adam.param_groups[0]["lr"] *= decay
        ended = clock.epoch_ended(lambda X: predict(network, Students(X, skills)))


# Name: embedding or one-hot input, longest sequence, learning rate, its decay, and the
# test AUC to reach. Of the rates 0.001, 0.003, 0.005 and 0.01, the first got the
# straightforward way the best AUC on held-out students; the second begins faster. To
# the notebook's benefit, padding is left out of the loss, where it counts padding as
# wrong answers, and the last batch is not dropped.
OTHERS = {
    "straightforward": (True, 200, 0.001, 1.0, 0.820),
    "straightforward-fast": (True, 200, 0.003, 1.0, 0.820),
    "notebook": (False, 10**6, 0.01, 0.92, 0.815),
}


def bench_speed(args):
    """Train each in turn until its target; epochs and the time to the target."""
    train, test = assist2009(args.data)
    print_title(f"speed: at most {args.epochs} epochs")
    few = train.head(500)
    DKTClassifier(max_epochs=1, device="cpu").fit(few, few["response"])
    epochs = {name: [] for name in ("ours", *args.against)}
    print(f"{'':>26} {'seed':>5} {'s':>7} {'ratio':>6} {'ours at':>8}  AUC of epochs")
    for seed in args.seeds:
        for name in epochs:
            *way, target = OTHERS.get(name, (0.820,))
            clock = Clock(test, target, args.epochs)
            if name == "ours":
                ours(train, clock, seed)
                our_clock = clock
            else:
                train_network(train, clock, seed, *way)
            epochs[name] += clock.seconds
            base, seconds = our_clock.seconds_to(target), clock.seconds_to(target)
            aucs = " ".join(f"{auc:.4f}" for auc in clock.aucs)
            print(
                f"{name:>20} {target:.3f} {seed:>5} {seconds:7.1f} "
                f"{seconds / base:6.2f} {base:8.1f}  {aucs}",
                flush=True,
            )
    print(f"{'':>20} {'s/epoch':>8} {'fastest':>8} {'ratio':>6} {'epochs':>7}")
    base = np.median(epochs["ours"])
    for name, seconds in epochs.items():
        median = np.median(seconds)
        print(
            f"{name:>20} {median:8.2f} {min(seconds):8.2f} {median / base:6.2f} "
            f"{len(seconds):>7}"
        )


# Scale.


def measure(work, n_times):
    """Return the median seconds, and the resident MiB before and at the peak."""
    sizes, ended, seconds = [resident_size()], threading.Event(), []

    def watch():
        while not ended.wait(0.02):
            sizes.append(resident_size())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for _ in range(n_times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    ended.set()
    watcher.join()
    return np.median(seconds), sizes[0], max(sizes)


def resident_size():
    return psutil.Process().memory_info().rss / 2**20


def epoch_and_prediction(n_students, n_times):
    """Return rows, and what is measured of an epoch and of prediction."""
    torch.set_num_threads(N_THREADS)
    few = make_student_responses(10, random_state=0).frame
    DKTClassifier(device="cpu").partial_fit(few, few["response"]).predict_proba(few)
    X = make_student_responses(n_students, random_state=0).frame
    dkt = DKTClassifier(device="cpu", random_state=0)
    training = measure(lambda: dkt.partial_fit(X, X["response"]), n_times)
    return len(X), *training, *measure(lambda: dkt.predict(X), n_times)


def bench_scale(args):
    """One epoch and prediction in a fresh process, and the calls of a lesson."""
    print_title("scale: 100 answers a student; memory in MiB, its peak over what was")
    print(
        f"{'students':>9} {'epoch, s':>9} {'us/row':>7} {'ratio':>6} {'before':>7} "
        f"{'peak':>6} {'B/row':>6} {'predict, s':>11} {'us/row':>7} {'ratio':>6} "
        f"{'peak':>6}"
    )
    base = None
    for n_students in args.students:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
            n_times = max(1, 30_000 // n_students)
            found = worker.submit(epoch_and_prediction, n_students, n_times).result()
        n_rows, fit, before, fit_peak, prediction, _, prediction_peak = found
        base = base or (fit / n_rows, prediction / n_rows)
        print(
            f"{n_students:>9} {fit:9.2f} {1e6 * fit / n_rows:7.2f} "
            f"{fit / n_rows / base[0]:6.2f} {before:7.0f} {fit_peak:6.0f} "
            f"{(fit_peak - before) * 2**20 / n_rows:6.0f} {prediction:11.2f} "
            f"{1e6 * prediction / n_rows:7.2f} {prediction / n_rows / base[1]:6.2f} "
            f"{prediction_peak:6.0f}",
            flush=True,
        )
    bench_lessons()


def bench_lessons(n_lessons=20, length=200):
    """Time `predict_next` after each answer, and after other histories."""
    X = make_student_responses(
        200 + 2 * n_lessons, n_interactions=length, random_state=0
    ).frame
    taught = X[X["student"] >= 2 * n_lessons]
    dkt = DKTClassifier(device="cpu", random_state=0)
    dkt.partial_fit(taught, taught["response"])

    def milliseconds(student, n_answers):
        history = X[X["student"] == student].head(n_answers)
        start = time.perf_counter()
        dkt.predict_next(history, dkt.skills_)
        return 1000 * (time.perf_counter() - start)

    calls = {
        f"in a lesson, after 0 to {length}": [
            milliseconds(student, n_answers)
            for student in range(n_lessons)
            for n_answers in range(length + 1)
        ],
        "not met before, after 100": [
            milliseconds(n_lessons + i, 100) for i in range(n_lessons)
        ],
    }
    print(f"predict_next of {len(dkt.skills_)} skills, ms a call:")
    for name, found in calls.items():
        median, slow = np.percentile(found, [50, 95])
        print(f"{name:>29}: median {median:.2f}, 95th percentile {slow:.2f}")


# Simulator.


def bench_simulator(args):
    """AUC on new students, against that of the true probabilities."""
    n_train, n_test = 2000, 1000
    print_title(f"simulator: {n_train} training and {n_test} test students")
    print(f"{'seed':>5} {'ours':>8} {'true':>8} {'gap':>8} {'epochs':>7} {'s':>6}")
    gaps = []
    for seed in args.seeds:
        data = make_student_responses(n_train + n_test, random_state=seed)
        tested = (data.frame["student"] >= n_train).to_numpy()
        train, test = data.frame[~tested], data.frame[tested]
        start = time.perf_counter()
        dkt = DKTClassifier(random_state=seed).fit(train, train["response"])
        seconds = time.perf_counter() - start
        scores = dkt.predict_proba(test)[:, 1], data.probability[tested]
        auc, best = (roc_auc_score(test["response"], score) for score in scores)
        gaps.append(best - auc)
        print(
            f"{seed:>5} {auc:8.4f} {best:8.4f} {best - auc:8.4f} {dkt.n_iter_:>7} "
            f"{seconds:6.1f}",
            flush=True,
        )
    print(f"mean gap {np.mean(gaps):.4f}, largest {max(gaps):.4f}")


def main():
    parts = {
        "auc": bench_auc,
        "speed": bench_speed,
        "scale": bench_scale,
        "simulator": bench_simulator,
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--data", type=Path, help="folder of the ASSISTments files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--epochs", type=int, default=20, help="at most, of a contender"
    )
    parser.add_argument("--against", nargs="+", choices=OTHERS, default=OTHERS)
    parser.add_argument(
        "--students", type=int, nargs="+", default=[10_000, 30_000, 100_000]
    )
    args = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    for name, part in parts.items():
        if args.part in (name, "all"):
            part(args)


if __name__ == "__main__":
    main()
