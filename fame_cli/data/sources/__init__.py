"""How videos lie on disk and are named: one file a dataset."""

from typing import Literal

SourceName = Literal["folder", "ucf101", "hmdb51", "diving48", "kinetics", "csv"]
