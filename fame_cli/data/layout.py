"""Whether a dataset of an HDF5 file is one that we write: plain bytes in the file itself, all of them there.

A file that somebody made may hold links to other files, views of other datasets, or a shape of terabytes that
takes no room; reading it would read what it names, or take all memory.
"""

from typing import Any


def require_plain(file: Any, name: str, file_bytes: int) -> Any:
    """The dataset ``name`` of an open ``h5py.File`` of so many bytes.

    Raises OSError where it is a link, virtual, kept outside, compressed, or larger than the file.
    """
    if type(file.get(name, getlink=True)).__name__ != "HardLink":
        raise OSError(f"{name} in it is missing, or a link")
    dataset = file[name]
    if not hasattr(dataset, "shape") or dataset.shape is None or dataset.dtype.hasobject:
        raise OSError(f"{name} in it is no array of numbers")
    if dataset.is_virtual or dataset.external or dataset.id.get_create_plist().get_nfilters():
        raise OSError(f"{name} in it is not kept plainly in the file")
    if dataset.nbytes > file_bytes:
        raise OSError(f"{name} in it claims {dataset.nbytes} bytes, more than the file has")
    return dataset
