"""Progress of long work outside `fit`."""


def track(steps, *, total, description, verbose):
    """Iterate over steps of work, showing a progress bar when asked to.

    Parameters
    ----------
    steps : iterable of tuple
        Yields, for each finished step, a tuple; as many items are finished as its first
        element has.

    total : int
        Number of items in all.

    description : str
        What stands before the bar.

    verbose : int or bool
        Nothing is shown, and rich is not imported, when false.

    Yields
    ------
    step : tuple
        What `steps` yields.
    """
    if not verbose:
        yield from steps
        return
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task(description, total=total)
        for step in steps:
            progress.update(task, advance=len(step[0]))
            yield step
