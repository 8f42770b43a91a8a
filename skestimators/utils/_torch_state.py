"""Torch networks as plain bytes, for pickles and files."""

import torch

from skestimators.utils._archive import DamagedFileError
from skestimators.utils._device import present_device
from skestimators.utils._plain_state import from_members, to_members
from skestimators.utils._seeding import torch_seed


def pack_network(network):
    """Return all numbers of a network as bytes.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on any device.

    Returns
    -------
    members : dict of bytes
        As of `to_members`.
    """
    return to_members(dict(_tensors(network)))


def unpack_network(build, members, device, *, plan=True):
    """Build a network and give it the numbers that `pack_network` has packed.

    Parameters
    ----------
    build : callable
        Returns a network of the same architecture. The random numbers that it draws are
        not missed by others.

    members : dict of bytes
        As `pack_network` returned them.

    device : str
        Where the network goes if that is there; else to the CPU.

    plan : bool, default=True
        Whether to see first, without taking memory, how large the network would be.

    Returns
    -------
    network : torch.nn.Module
        The network, in evaluation mode.

    Raises
    ------
    DamagedFileError
        If the numbers are not of this architecture.
    """
    packed = from_members(members)
    if plan:
        with torch.device("meta"):
            _check_shapes(build(), packed)
    with torch_seed(0):
        network = build()
    _check_shapes(network, packed)
    own = dict(_tensors(network))
    with torch.no_grad():
        for name, tensor in packed.items():
            # Copied, as the layout in memory decides how sums are rounded.
            own[name].data = own[name].data.to(tensor.dtype).copy_(tensor)
    return network.to(present_device(device)).eval()


def _tensors(network):
    # Buffers that `state_dict` leaves out are here, too.
    yield from network.named_parameters()
    yield from network.named_buffers()


def _check_shapes(network, packed):
    own = {name: tensor.shape for name, tensor in _tensors(network)}
    if not isinstance(packed, dict) or own != {
        name: getattr(tensor, "shape", None) for name, tensor in packed.items()
    }:
        raise DamagedFileError("The weights of a network are not of its layers.")
