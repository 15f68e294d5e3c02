"""SVHN's cropped digits: one MATLAB file of images X [h w 3 n] and labels y [n 1]."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.sources.image_folder import as_image_folder
from pipeline.sources.spec import SourceError


def load(path: Path) -> tuple[UInt8[np.ndarray, "n h w 3"], list[str], list[str]]:
    """Read the whole file.

    Returns:
        Images, the digit of each, and the ten digits in label order.

    Raises:
        SourceError: If the file is no MATLAB file of version 5 to 7, or does not hold such arrays.
    """
    if path.is_dir():
        raise SourceError(
            f"'{path}' must be SVHN's MATLAB file (test_32x32.mat), it is a folder; give the file, "
            f"or {as_image_folder(path)}"
        )
    from scipy.io import loadmat  # half a second to import, for one data set

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except NotImplementedError as error:  # scipy's word for HDF5
        raise SourceError(
            f"'{path}' is a MATLAB file of version 7.3, which is HDF5; SVHN's own file is of "
            "version 5: get it again, or save X and y from MATLAB with save(..., '-v7')"
        ) from error
    except Exception as error:  # scipy meets a damaged file with whatever comes
        raise SourceError(f"'{path}' is no readable MATLAB file ({error}); get it again") from error
    if missing := [name for name in ("X", "y") if name not in content]:
        held = ", ".join(sorted(set(content) - {"__header__", "__version__", "__globals__"}))
        raise SourceError(
            f"'{path}' must hold SVHN's images X and labels y; it lacks {missing[0]} and holds "
            f"{held or 'nothing else of them'}"
        )
    pixels, labels = content["X"], content["y"].reshape(-1)
    if pixels.ndim != 4 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise SourceError(
            f"'{path}' must hold X as bytes [h w 3 n], got {pixels.dtype} {list(pixels.shape)}"
        )
    if len(labels) != pixels.shape[3]:
        raise SourceError(f"'{path}' holds {pixels.shape[3]} images and {len(labels)} labels")
    if not np.isin(labels, np.arange(1, 11)).all():
        raise SourceError(f"'{path}' must hold y from 1 to 10, where 10 is the digit 0")
    images = np.ascontiguousarray(np.moveaxis(pixels, 3, 0))
    digits = labels.astype(int) % 10
    return images, [str(digit) for digit in digits], [str(digit) for digit in range(10)]
