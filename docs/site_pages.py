"""What the site shows, and where: a hook of MkDocs (mkdocs.yml).

Every page keeps the path that it has in the repository, so that links which work there work here. To the
pages in ``docs/`` come the README as the first one, the changes, the examples as code, and a reference of the
public names.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import fame_cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")
COMMANDS = "docs/commands/README.md"
LANGUAGES = {".py": "python", ".sh": "bash"}
EXAMPLE_LINK = re.compile(r"(\]\([^)\s]*examples/\w+)\.(?:py|sh|ipynb)\)")
TABLE_ROW = re.compile(r"^\|.*$", re.MULTILINE)
CODE = re.compile(r"`[^`]+`")
ROOM_TITLES = {
    "distraction": "Distractions",
    "foreground": "Foreground",
    "learning": "Networks, objectives and losses",
    "data": "Videos and clips",
    "errors": "Errors",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The list of commands is also their part of ``nav``."""
    assert config.nav is not None
    rows = re.findall(r"^\| \[(fame [\w -]+)\]\(([\w-]+\.md)\)", read(COMMANDS), flags=re.MULTILINE)
    section = next(entry["Commands"] for entry in config.nav if "Commands" in entry)
    section += [{name: f"docs/commands/{page}"} for name, page in rows]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
            files.append(from_repository(f"docs/{file.src_uri}", config))
    for name in DOCUMENTS:
        files.append(from_repository(name, config))
    for path in sorted((ROOT / "examples").iterdir()):
        if path.suffix in {".ipynb", *LANGUAGES}:
            files.append(File.generated(config, f"examples/{path.stem}.md", content=example_page(path)))
    files.append(File.generated(config, "reference.md", content="\n".join(reference())))
    return files


def from_repository(name: str, config: MkDocsConfig) -> File:
    return File(name, str(ROOT), config.site_dir, use_directory_urls=False)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links to an example lead to its page; a bar in the code of a table needs no backslash here."""
    if page.file.src_uri.startswith("docs/commands/"):
        page.meta["search"] = {"boost": 2}  # who looks for an option wants the command that has it
    markdown = EXAMPLE_LINK.sub(r"\1.md)", markdown)
    return TABLE_ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def example_page(path: Path) -> str:
    """A script as a block of code, or the cells of a notebook one after the other."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n\n".join(notebook_cells(text))
    return f"# {path.name}\n\n{code_block(text, LANGUAGES[path.suffix])}"


def notebook_cells(text: str) -> Iterator[str]:
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        language = "bash" if source.startswith("%%bash") else "python"
        yield source if cell["cell_type"] == "markdown" else code_block(source, language)


def code_block(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def reference() -> Iterator[str]:
    """Every public name, in the order of ``ROOMS``, for mkdocstrings to describe."""
    yield "# Reference\n"
    yield "Everything here is `from fame_cli import …`. [How it is used](docs/library.md).\n"
    for room, title in ROOM_TITLES.items():
        yield f"## {title}\n"
        for module, names in fame_cli.ROOMS.items():
            if module.partition(".")[0] == room:
                yield from (f"::: fame_cli.{module}.{name}\n" for name in names)
