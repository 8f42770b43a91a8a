"""Groups of images that show the same active region."""

from skestimators.utils._regions import region_numbers


def active_region_groups(paths):
    """Return the number of the active region that each image is of.

    Images of one region, taken hours apart, look alike and share their flares: a model
    that is tested on regions it was trained on is not tested. Pass the numbers as
    `groups` to :class:`~sklearn.model_selection.StratifiedGroupKFold`.

    Parameters
    ----------
    paths : array-like of shape (n_samples,) or (n_samples, 1)
        Paths of images, as strings. The files need not exist.

    Returns
    -------
    groups : ndarray of shape (n_samples,) and dtype int64
        The HARP number in the file name of a SHARP cutout,
        `hmi.sharp_*.<HARP>.<time>*`, or the number that a frame of AR-flares begins
        with, `<number>_hmi.*`; for other files the nearest folder whose name is a
        number of three to six digits, such as `11158`, `AR11158`, `NOAA_11158` or
        `HARP377`. Folders of dates, such as `2011/02/15`, have none.

    Raises
    ------
    ValueError
        If a path has no such number; the message names the row, counted from 0. Or if
        some numbers are NOAA's, some HARP's and some plain: one region has other
        numbers in each and would be taken for several.

    See Also
    --------
    skestimators.datasets.read_flare_table : Read paths and labels from a table.

    References
    ----------
    .. [1] M. G. Bobra et al., "The Helioseismic and Magnetic Imager (HMI) Vector
           Magnetic Field Pipeline: SHARPs - Space-Weather HMI Active Region Patches",
           Solar Physics 289 (2014), 3549-3578.

    Examples
    --------
    >>> from skestimators.preprocessing import active_region_groups
    >>> active_region_groups(["11158/first.png", "11158/second.png", "11166/first.png"])
    array([11158, 11158, 11166])
    >>> active_region_groups(
    ...     ["hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits"]
    ... )
    array([377])
    """
    return region_numbers(paths, caller="active_region_groups")
