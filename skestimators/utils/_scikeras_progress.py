"""What a Keras training has come to after an epoch, written and taken up again."""

from skestimators.utils._keras_state import assign, pack

_NAME = "training"
# Of keras.callbacks.EarlyStopping.
_STOPPING = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")


class Progress:
    """Write all that the next epoch depends on; begin with what was written.

    The order of rows depends on the number of the epoch, and dropout on variables of
    the network.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Where to. Nothing happens without it.

    network : keras.Sequential
        The network that is trained.

    stopping : keras.callbacks.EarlyStopping or None
        The one of the engine.
    """

    def __init__(self, checkpoint, network, stopping):
        self._checkpoint = checkpoint
        self._network = network
        self._stopping = stopping
        self._written = None if checkpoint is None else checkpoint.read(_NAME)
        stage = None if self._written is None else self._written["stage"]
        # No further epoch; not even the end of training, when callbacks do things.
        self.is_over, self.is_done = stage in ("over", "done"), stage == "done"

    def restore(self, history):
        """Put everything as it was after the last epoch that was written.

        Parameters
        ----------
        history : dict of list of float
            Is filled with the losses of the epochs that are behind.
        """
        if self._written is None:
            return
        network, stopping = self._network, self._written["stopping"]
        network.optimizer.build(network.trainable_variables)
        assign(network, self._written["network"])
        history.update(self._written["history"])
        if stopping is not None:
            if stopping["best_weights"] is None:
                stopping["best_weights"] = network.get_weights()
            vars(self._stopping).update(stopping)

    def write(self, history, stage):
        """Write it.

        Parameters
        ----------
        history : dict of list of float
            The losses of the epochs that are behind.

        stage : {"epoch", "over", "done"}
            What has just ended: an epoch that others may follow, the last one, or the
            training.
        """
        if self._checkpoint is None:
            return
        stopping = None
        if self._stopping is not None and stage != "done":
            stopping = {name: getattr(self._stopping, name) for name in _STOPPING}
            # The best epoch, if it is the last, is written as the network itself.
            if stopping["best_epoch"] == len(history["loss"]) - 1:
                stopping["best_weights"] = None
        state = {
            "network": pack(self._network),
            "history": history,
            "stopping": stopping,
            "stage": stage,
        }
        self._checkpoint.write(_NAME, state)
