"""Foreground-background merging (FAME) for self-supervised video learning."""

__version__ = "0.1.0"
