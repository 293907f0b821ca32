"""Measurements of speed, of memory and of what networks learn: a command each."""
