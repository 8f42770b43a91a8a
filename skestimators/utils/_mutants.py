"""Mutant codes such as `"A42G:D50K"`, read and written in one place."""

import re

import numpy as np

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
WILD_TYPE_CODES = ("", "WT")

_MUTATION = re.compile(r"([A-Z])(-?[0-9]+)(.)", re.DOTALL)


def parse_mutation(mutation):
    """Read one mutation.

    Parameters
    ----------
    mutation : str
        Wild-type residue, position and new residue, such as `"A42G"`.

    Returns
    -------
    old, position, new : (str, int, str)
        The three parts.

    Raises
    ------
    ValueError
        If it is malformed or the new residue is no amino acid.
    """
    match = _MUTATION.fullmatch(mutation)
    if match is None:
        raise ValueError(
            f"{mutation!r} is no mutation of the form <wild-type residue><position>"
            f"<new residue>, such as 'A42G' (the wild type is '' or 'WT')."
        )
    old, position, new = match.groups()
    if new not in AMINO_ACIDS:
        raise ValueError(
            f"{mutation!r}: {new!r} is no amino acid; use one of {AMINO_ACIDS}."
        )
    return old, int(position), new


def split_mutant(code, *, separator):
    """Read the mutations of a mutant, whatever its wild type.

    Parameters
    ----------
    code : str
        Mutations joined by the separator; `""` and `"WT"` are the wild type.

    separator : str
        What stands between mutations.

    Returns
    -------
    mutations : tuple of (str, int, str)
        Old residue, position and new residue of each, in order of position.

    Raises
    ------
    ValueError
        If a mutation is malformed, or a position is mutated twice.
    """
    if code in WILD_TYPE_CODES:
        return ()
    mutations = [parse_mutation(mutation) for mutation in code.split(separator)]
    _check_distinct([position for _, position, _ in mutations])
    return tuple(sorted(mutations, key=lambda mutation: mutation[1]))


def _check_distinct(positions):
    if len(set(positions)) < len(positions):
        twice = next(p for p in positions if positions.count(p) > 1)
        raise ValueError(f"position {twice} is mutated twice.")


class MutantCodec:
    """Turn mutant codes of one wild type into sequences and back.

    Parameters
    ----------
    wild_type : str
        The wild-type sequence, in capital one-letter codes.

    first_position : int
        The position that codes give to the first residue.

    separator : str
        What stands between mutations.
    """

    def __init__(self, wild_type, *, first_position, separator):
        if not wild_type:
            raise ValueError("wild_type must be a protein sequence, but is empty.")
        bad = re.search("[^A-Z]", wild_type)
        if bad:
            raise ValueError(
                f"wild_type must be a sequence of capital one-letter residues, but has "
                f"{bad[0]!r} at index {bad.start()}."
            )
        if not separator:
            raise ValueError("separator must be a string that is not empty.")
        self.wild_type = wild_type
        self.first_position = first_position
        self.separator = separator
        self._residues = np.frombuffer(wild_type.encode(), dtype=np.uint8)
        # Codes of one data set share their mutations, so each is parsed once.
        self._located = {}

    def _locate(self, mutation):
        """Return the index and the new residue of one mutation."""
        if mutation in self._located:
            return self._located[mutation]
        old, position, new = parse_mutation(mutation)
        index = position - self.first_position
        if not 0 <= index < len(self.wild_type):
            last = self.first_position + len(self.wild_type) - 1
            raise ValueError(
                f"position {position} is outside the wild type, whose positions run "
                f"from {self.first_position} to {last}."
            )
        found = self.wild_type[index]
        if found != old:
            raise ValueError(
                f"the wild type has {found!r} at position {position}, not {old!r}; the "
                f"first residue is counted as {self.first_position}."
            )
        self._located[mutation] = index, ord(new)
        return self._located[mutation]

    def to_sequence(self, code):
        """Return the sequence of a mutant.

        Parameters
        ----------
        code : str
            The mutant code.

        Returns
        -------
        sequence : str
            The wild type with the mutations made.

        Raises
        ------
        ValueError
            If the code is malformed or does not fit the wild type.
        """
        if code in WILD_TYPE_CODES:
            return self.wild_type
        located = [self._locate(mutation) for mutation in code.split(self.separator)]
        _check_distinct([index + self.first_position for index, _ in located])
        residues = bytearray(self._residues)
        for index, new in located:
            residues[index] = new
        return residues.decode()

    def to_code(self, sequence):
        """Return the code of a sequence, mutations in order of position.

        Parameters
        ----------
        sequence : str
            A sequence as long as the wild type.

        Returns
        -------
        code : str
            The mutant code; `"WT"` for the wild type.

        Raises
        ------
        ValueError
            If the length differs, or a new residue is no amino acid.
        """
        if len(sequence) != len(self.wild_type):
            raise ValueError(
                f"the sequence has {len(sequence)} residues, but the wild type "
                f"{len(self.wild_type)}; only substitutions can be written as codes."
            )
        # "replace" keeps the length, and "?" differs from every residue.
        residues = np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)
        mutations = []
        for index in np.flatnonzero(residues != self._residues):
            new, position = sequence[index], index + self.first_position
            if new not in AMINO_ACIDS:
                raise ValueError(
                    f"{new!r} at position {position} is no amino acid; use one of "
                    f"{AMINO_ACIDS}."
                )
            mutations.append(f"{self.wild_type[index]}{position}{new}")
        return self.separator.join(mutations) or "WT"
