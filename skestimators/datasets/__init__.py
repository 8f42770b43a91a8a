"""Readers of file formats, simulators and downloads."""

from skestimators.datasets._dms import read_dms
from skestimators.datasets._fasta import read_fasta
from skestimators.datasets._fetch_assistments import fetch_assistments2009
from skestimators.datasets._fetch_beta_lactamase import fetch_beta_lactamase
from skestimators.datasets._fetch_flare_tables import fetch_flare_tables
from skestimators.datasets._fetch_robot_failures import fetch_robot_failures
from skestimators.datasets._flare_table import read_flare_table
from skestimators.datasets._force_torque import make_force_torque
from skestimators.datasets._interactions import read_interactions
from skestimators.datasets._kuka import read_kuka_records
from skestimators.datasets._landscape import make_protein_landscape
from skestimators.datasets._magnetograms import make_magnetograms
from skestimators.datasets._robot_failures import read_robot_failures
from skestimators.datasets._student_responses import make_student_responses

__all__ = [
    "fetch_assistments2009",
    "fetch_beta_lactamase",
    "fetch_flare_tables",
    "fetch_robot_failures",
    "make_force_torque",
    "make_magnetograms",
    "make_protein_landscape",
    "make_student_responses",
    "read_dms",
    "read_fasta",
    "read_flare_table",
    "read_interactions",
    "read_kuka_records",
    "read_robot_failures",
]
