"""All that is fuzzed."""

from fuzz import archive_targets, image_targets, text_targets, weight_targets

TARGETS = {
    **text_targets.TARGETS,
    **image_targets.TARGETS,
    **weight_targets.TARGETS,
    **archive_targets.TARGETS,
}


def readers_without_target():
    """Return the names of the public readers that nothing fuzzes."""
    # Not above: the fuzzer has to see the import to follow what runs.
    from skestimators import datasets

    readers = {name for name in datasets.__all__ if name.startswith("read_")}
    return sorted(readers - {name.partition(":")[0] for name in TARGETS})
