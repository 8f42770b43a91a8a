"""Readers of file formats, simulators and downloads."""

from skestimators.datasets._dms import read_dms
from skestimators.datasets._fasta import read_fasta
from skestimators.datasets._landscape import make_protein_landscape

__all__ = ["make_protein_landscape", "read_dms", "read_fasta"]
