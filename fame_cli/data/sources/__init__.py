"""How the videos of each dataset are stored and named: one file per dataset."""

from typing import Literal

SourceName = Literal["folder", "ucf101", "hmdb51", "diving48", "kinetics", "csv"]
