"""What a torch training has come to after an epoch, written and taken up again."""

import copy

import numpy as np
from skorch.callbacks import Callback


class Progress(Callback):
    """Write all that the next epoch depends on; begin with what was written.

    Callbacks that depend on earlier epochs have `get_progress(net)`, which returns
    containers of numbers and tensors, and `set_progress(net, progress)`. That of the
    last epoch alone is in the file; random numbers need none, see `Schedule`.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where to.

    name : str
        What it calls this training.

    callbacks : list of (str, Callback)
        All that are called before this one.
    """

    def __init__(self, checkpoint, name, callbacks):
        self.checkpoint = checkpoint
        self.name = name
        self.callbacks = {
            name: callback
            for name, callback in callbacks
            if hasattr(callback, "get_progress")
        }

    def on_train_begin(self, net, **kwargs):
        """Put everything as it was after the last epoch that was written."""
        progress = self.checkpoint.read(self.name)
        if progress is None:
            return
        set_weights(net.module_, progress["weights"])
        set_optimizer_state(net.optimizer_, progress["optimizer"])
        history = progress["history"]
        for number in range(len(history["train_loss"])):
            net.history.new_epoch()
            for name, values in history.items():
                net.history.record(name, values[number])
        for name, callback in self.callbacks.items():
            callback.set_progress(net, progress["callbacks"][name])

    def on_epoch_end(self, net, **kwargs):
        """Write it."""
        names = [name for name in net.history[0] if name != "batches"]
        progress = {
            "weights": trained_weights(net.module_),
            "optimizer": net.optimizer_.state_dict()["state"],
            "history": {n: np.array(net.history[:, n]).tolist() for n in names},
            "callbacks": {
                name: callback.get_progress(net)
                for name, callback in self.callbacks.items()
            },
        }
        self.checkpoint.write(self.name, progress)


def trained_weights(module):
    """Return weights and buffers but those of layers that are not trained."""
    frozen = {n for n, weight in module.named_parameters() if not weight.requires_grad}
    return {n: v for n, v in module.state_dict().items() if n not in frozen}


def set_weights(module, weights):
    """Put back what `trained_weights` returned."""
    module.load_state_dict({**module.state_dict(), **weights})


def set_optimizer_state(optimizer, state):
    """Put back the moments and whatever else an optimizer has of each weight."""
    # Copied, as the optimizer works in the tensors that it is given.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": copy.deepcopy(state), "param_groups": groups})
