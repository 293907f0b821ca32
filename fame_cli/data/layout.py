"""Checks that a dataset of an HDF5 file is of the kind we write: plain, complete bytes in the file itself.

A crafted file may contain links to other files, views of other datasets, or a shape of terabytes without
content; reading it would read other files or exhaust memory.
"""

from typing import Any


def require_plain(file: Any, name: str, file_bytes: int) -> Any:
    """The dataset ``name`` of an open ``h5py.File`` of that many bytes.

    Raises OSError if it is a link, virtual, stored outside, compressed, or larger than the file.
    """
    if type(file.get(name, getlink=True)).__name__ != "HardLink":
        raise OSError(f"{name} in it is missing, or a link")
    dataset = file[name]
    if not hasattr(dataset, "shape") or dataset.shape is None or dataset.dtype.hasobject:
        raise OSError(f"{name} in it is not an array of numbers")
    if dataset.is_virtual or dataset.external or dataset.id.get_create_plist().get_nfilters():
        raise OSError(f"{name} in it is not kept plainly in the file")
    if dataset.nbytes > file_bytes:
        raise OSError(f"{name} in it claims {dataset.nbytes} bytes, more than the file has")
    return dataset
