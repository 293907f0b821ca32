"""What says which version this is, and what an image is made of, agree with the package."""

import re
import tomllib
from pathlib import Path

import yaml

import fame_cli

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_citation_is_of_this_version_and_names_the_authors_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == fame_cli.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["keywords"] == PROJECT["keywords"]
    title = re.sub(r"\s+", " ", re.search(r"title += {(.*?)},", (ROOT / "README.md").read_text())[1])
    assert citation["references"][0]["title"] == title


def test_changelog_begins_with_this_version_or_what_comes_after_it() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    if versions[0] == "Unreleased":
        versions = versions[1:]
    assert versions[0] == fame_cli.__version__


def test_image_takes_files_that_exist_and_a_python_that_is_supported() -> None:
    text = (ROOT / "Dockerfile").read_text()
    sources = [
        name for line in re.findall(r"^COPY (.*) \S+$", text, flags=re.MULTILINE) for name in line.split()
    ]
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE)
    assert sorted(sources) == sorted(allowed)
    assert all((ROOT / name).exists() for name in sources)
    python = re.search(r"^ARG BASE=python:(\S+)-slim$", text, flags=re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
