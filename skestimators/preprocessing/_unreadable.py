"""What is said of image files that cannot be read."""

from skestimators.utils._warnings import warn_user

_N_NAMED = 5


def complain(unreadable, n_images, *, on_unreadable, consequence):
    """Warn of images that cannot be read, or raise an error.

    Parameters
    ----------
    unreadable : list of (int, str or None, str)
        Row, path and reason of each; nothing is said if there is none.

    n_images : int
        How many images there were.

    on_unreadable : {"warn", "error"}
        What is done.

    consequence : str
        What becomes of them if a warning is all.

    Raises
    ------
    ValueError
        If that is asked for.
    """
    if not unreadable:
        return
    named = [
        f"row {row}{'' if path is None else f' ({path!r})'}: {reason}"
        for row, path, reason in unreadable[:_N_NAMED]
    ]
    if len(unreadable) > _N_NAMED:
        named.append(f"and {len(unreadable) - _N_NAMED} more")
    what = "images" if unreadable[0][1] is None else "image files"
    count = f"{len(unreadable)} of {n_images} {what} cannot be read"
    if on_unreadable == "error":
        raise ValueError(f"{count}: {'; '.join(named)}.")
    warn_user(f"{count}: {'; '.join(named)}. {consequence}")


def unreadable_table(unreadable):
    """Return a table of images that cannot be read.

    Parameters
    ----------
    unreadable : list of (int, str or None, str)
        Row, path and reason of each.

    Returns
    -------
    table : DataFrame
        Columns `"row"`, `"path"` and `"reason"`.
    """
    import pandas as pd

    # Names of files need not be text that pandas can keep as such.
    table = pd.DataFrame(unreadable, columns=["row", "path", "reason"], dtype=object)
    return table.astype({"row": int})
