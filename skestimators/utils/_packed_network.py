"""Estimators whose pickles and files hold their network as plain bytes."""

from abc import ABC, abstractmethod


class PackedNetworkMixin(ABC):
    """Packs the fitted torch network when the estimator is copied, pickled or saved.

    Bytes can be read where there is no such device as it was trained on, and without
    running code.
    """

    @abstractmethod
    def _new_network(self):
        """Build a network of the layers that `network_` has; weights do not matter."""

    def _can_be_planned(self):
        """Tell whether the network can be built without taking memory."""
        return True

    def __getstate__(self):
        state = super().__getstate__()
        if "network_" in state:
            from skestimators.utils._plain_state import to_members
            from skestimators.utils._torch_state import pack_network

            state = {**state, "network_": pack_network(state["network_"])}
            if state.get("_training_state") is not None:
                packed = to_members(state["_training_state"])
                state["_training_state"] = packed
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "network_" in state:
            from skestimators.utils._plain_state import from_members
            from skestimators.utils._torch_state import unpack_network

            self.network_ = unpack_network(
                self._new_network,
                state["network_"],
                self.device_,
                plan=self._can_be_planned(),
            )
            if state.get("_training_state") is not None:
                self._training_state = from_members(state["_training_state"])
