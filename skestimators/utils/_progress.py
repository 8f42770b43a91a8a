"""Progress of long work outside `fit`."""


def track(iterable, *, total, description, verbose):
    """Iterate, showing a progress bar when asked to.

    Parameters
    ----------
    iterable : iterable of int
        Yields, for each finished step, how many items it finished.

    total : int
        Number of items in all.

    description : str
        What stands before the bar.

    verbose : int or bool
        Nothing is shown, and rich is not imported, when false.

    Yields
    ------
    finished : int
        The values of `iterable`.
    """
    if not verbose:
        yield from iterable
        return
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task(description, total=total)
        for finished in iterable:
            progress.update(task, advance=finished)
            yield finished
