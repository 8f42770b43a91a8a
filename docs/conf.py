"""Sphinx configuration."""

import skestimators

project = "skestimators"
author = "The skestimators developers"
copyright = "2026, The skestimators developers"
version = release = skestimators.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
numpydoc_show_class_members = False
templates_path = ["templates"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = "skestimators"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"/(benchmarks|demo)/",
    "doc_module": ("skestimators",),
    "reference_url": {"skestimators": None},
    "abort_on_example_error": True,
}
