"""Paths that come from tables and may not leave their folder."""

from pathlib import Path


def resolve_inside(path, root):
    """Return where a path leads, if that is inside a folder.

    Parameters
    ----------
    path : str
        Relative to the folder, or absolute.

    root : path-like or None
        The folder; None takes any path as it is.

    Returns
    -------
    resolved : Path
        With a folder, the absolute path free of links and `..`; otherwise `path`.

    Raises
    ------
    ValueError
        If the path has a null character, or leads out of the folder, be it by `..`, as
        an absolute path or through a symbolic link, or into a circle of links.
    """
    if "\0" in path:
        raise ValueError(f"The path {path!r} holds a null character.")
    if root is None:
        return Path(path)
    root = Path(root).expanduser().resolve()
    try:
        resolved = (root / path).resolve()
    except RuntimeError as error:  # Until Python 3.12, of links that form a circle.
        raise ValueError(f"The path {path!r} leads into a circle of links.") from error
    if resolved.resolve() != resolved:
        # Behind a link to itself, links are not followed until Python 3.13.
        raise ValueError(f"The path {path!r} leads into a circle of links.")
    if not resolved.is_relative_to(root):
        raise ValueError(f"The path {path!r} leads out of root={str(root)!r}.")
    return resolved
