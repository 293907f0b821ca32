"""Names of files as text: their bytes read as UTF-8, whatever the locale.

Python reads names by the locale. A manifest may be written under one and read under another, so what it holds
must not depend on that. Bytes that are not UTF-8 become lone surrogates in either direction.
"""

import os
import unicodedata


def to_text(name: str) -> str:
    """The text of a name as Python has it from this system."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


def to_disk(text: str) -> str:
    """The name by which this system knows the file of a text."""
    return text if text.isascii() else os.fsdecode(text.encode("utf-8", "surrogateescape"))


def compose_accents(text: str) -> str:
    """A text with each accent part of its letter: file systems and archives of macOS write them apart."""
    return unicodedata.normalize("NFC", text)
