"""Choice of the device torch computes on, and of the type of numbers."""


def resolve_device(device="auto"):
    """Turn a `device` parameter into the name of a torch device.

    Parameters
    ----------
    device : str, default="auto"
        `"auto"` takes the first available of cuda, mps and cpu. Anything else is a
        torch device name such as `"cpu"` or `"cuda:1"`.

    Returns
    -------
    device : str
        The name of a device that is present.

    Raises
    ------
    ValueError
        If the name is no torch device, or the device is not present.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if device == "auto":
        return next(name for name, is_available in available.items() if is_available())
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device; use 'auto', 'cpu', 'cuda', "
            f"'cuda:<index>' or 'mps'."
        ) from error
    if kind in available and not available[kind]():
        raise ValueError(
            f"device={device!r} is not available on this machine; use 'auto' or 'cpu'."
        )
    return str(device)


def present_device(device):
    """Return a device of another machine if this one has it, else the CPU.

    Parameters
    ----------
    device : str
        Name of a torch device.

    Returns
    -------
    device : str
        Name of one that is present.
    """
    try:
        return resolve_device(device)
    except ValueError:
        return "cpu"


def resolve_dtype(dtype, device):
    """Turn a `dtype` parameter into the type that suits the device.

    Parameters
    ----------
    dtype : {"auto", "float32", "bfloat16", "int8"}
        The parameter; `"auto"` is bfloat16 on CUDA devices that have it and float32
        elsewhere.

    device : str
        Where a network computes.

    Returns
    -------
    dtype : {"float32", "bfloat16", "int8"}
        A type the device can compute in.

    Raises
    ------
    ValueError
        If it cannot.
    """
    import torch

    if dtype == "int8" and device != "cpu":
        raise ValueError(
            f"dtype='int8' is made for device='cpu', not {device!r}; use 'bfloat16'."
        )
    if dtype != "auto":
        return dtype
    on_cuda = torch.device(device).type == "cuda"
    return "bfloat16" if on_cuda and torch.cuda.is_bf16_supported() else "float32"
