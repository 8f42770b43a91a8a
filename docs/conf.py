"""Sphinx configuration."""

from sphinx_gallery.sorting import ExplicitOrder

import skestimators

project = "skestimators"
author = "The skestimators developers"
copyright = "2026, The skestimators developers"
version = release = skestimators.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
numpydoc_show_class_members = False
templates_path = ["templates"]
exclude_patterns = ["_build", "api/backreferences"]
# The names of our files have no spaces; those of folders above the checkout may.
suppress_warnings = ["sphinx_gallery.space_in_filename"]
default_role = "literal"
smartquotes = False
html_theme = "pydata_sphinx_theme"
html_title = "skestimators"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# These have no pages below them that could stand at the side.
ALONE = ["index", "from_a_notebook", "benchmarks", "contributing", "changelog"]
html_sidebars = {page: [] for page in ALONE}
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"/(benchmarks|demo)/",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_protein_engineering.py",
            "plot_force_torque.py",
            "plot_knowledge_tracing.py",
            "plot_activation_search.py",
            "plot_solar_flares.py",
            "*",
        ]
    ),
    "doc_module": ("skestimators",),
    "backreferences_dir": "api/backreferences",
    "reference_url": {"skestimators": None},
    "abort_on_example_error": True,
}


def _leave_unlinked(app, env, node, content):
    """Show as text what docstrings inherited from scikit-learn say of its own pages.

    They are known only with an inventory from the net, and the build works offline.
    """
    if node["reftype"] == "term" or node["reftarget"] == "metadata_routing":
        return content
    return None


def setup(app):
    """Connect to Sphinx."""
    app.connect("missing-reference", _leave_unlinked)
