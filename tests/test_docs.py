"""Docstrings are complete and the pages name everything."""

import inspect
import re
from pathlib import Path

import pytest
from instances import all_instances, example_data
from numpydoc.validate import validate
from pages import assert_shows
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import skestimators
from skestimators.utils._base import DOCUMENTATION
from skestimators.utils._discovery import all_public

ROOT = Path(__file__).parent.parent

# Style rules that scikit-learn does not follow either.
IGNORED = {
    "GL01",  # summary on the line of the quotes
    "GL08",  # missing docstring: ruff says that better
    "EX01",  # methods show their use in the class's example
    "ES01",  # an extended summary is not always needed
    "SA01",  # nor is See Also
    "SA04",
    "RT02",  # named return values
    "YD01",
}


def _documented():
    for name, obj in all_public():
        if callable(obj):
            yield name
        if inspect.isclass(obj):
            for method, member in inspect.getmembers(obj, inspect.isfunction):
                own = member.__module__.startswith("skestimators")
                if own and not method.startswith("_"):
                    yield f"{name}.{method}"


@pytest.mark.parametrize("name", sorted(_documented()))
def test_docstring_is_numpydoc(name):
    errors = [(c, text) for c, text in validate(name)["errors"] if c not in IGNORED]
    assert not errors


@pytest.mark.parametrize(
    ("name", "obj"), [pair for pair in all_public() if callable(pair[1])]
)
def test_public_callable_has_an_example(name, obj):
    assert ">>> " in obj.__doc__


@pytest.mark.parametrize("estimator", all_instances(), ids=lambda e: type(e).__name__)
def test_fitted_attributes_are_documented(estimator):
    X, y = example_data(estimator)
    fitted = clone(estimator).fit(X, y)
    doc = type(estimator).__doc__
    section = doc.partition("Attributes\n")[2]
    for attribute in [*vars(fitted), "feature_names_in_"]:
        if attribute.endswith("_") and not attribute.startswith("_"):
            assert re.search(rf"^ +{attribute} : ", section, re.M), attribute


def test_api_page_names_everything_public():
    page = (ROOT / "docs" / "api.rst").read_text()
    listed = set(re.findall(r"^ +([\w.]+)$", page, re.M))
    public = {name.removeprefix("skestimators.") for name, _ in all_public()}
    assert public <= listed, "docs/api.rst does not list all public names"
    assert listed <= public, "docs/api.rst lists names that no room has in __all__"


@pytest.mark.parametrize("estimator", all_instances(), ids=lambda e: type(e).__name__)
def test_html_links_to_the_api_page(estimator):
    name = (
        f"{type(estimator).__module__.rpartition('._')[0]}.{type(estimator).__name__}"
    )
    assert name in dict(all_public())
    html = make_pipeline(estimator)._repr_html_()
    assert f'href="{DOCUMENTATION}api/generated/{name}.html"' in html


def test_changelog_has_a_section_for_this_version():
    release = re.match(r"\d+\.\d+", skestimators.__version__).group()
    assert f"Version {release}" in (ROOT / "docs" / "changelog.rst").read_text()


def _blocks(language):
    return re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )


def test_readme_shows_what_its_code_prints(capsys):
    names = {}
    for code, shown in zip(_blocks("python"), _blocks("text"), strict=True):
        exec(code, names)
        assert_shows(shown, capsys.readouterr().out)
