"""Facts about the published ESM-2 models."""

# Number of layers, width and number of attention heads.
SIZES = {
    "esm2_t6_8M_UR50D": (6, 320, 20),
    "esm2_t12_35M_UR50D": (12, 480, 20),
    "esm2_t30_150M_UR50D": (30, 640, 20),
    "esm2_t33_650M_UR50D": (33, 1280, 20),
    "esm2_t36_3B_UR50D": (36, 2560, 40),
    "esm2_t48_15B_UR50D": (48, 5120, 40),
}
# The twenty amino acids, and the letters for doubtful and rare ones.
RESIDUES = frozenset("ACDEFGHIKLMNPQRSTVWYXBUZO")
# The longest sequence the models were trained on.
MAX_RESIDUES = 1022
