"""Names of picture files: which files and folders are read, why others are left out, and how a name is printed.

#1 Every file with the suffix of a picture or a video is counted: it is read, or left out for a reason. #2 Other files
are not counted (a sidecar such as `.xmp` or `.THM`, `Thumbs.db`, a text, a Mac's `._` file). #3 In folders of deleted
pictures and thumbnails, files are only counted; snapshots of a storage box are not entered at all. #4 A linked folder
is counted as one folder and not entered.
Only names matter here; `jpeg` checks the bytes.
"""

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path, PurePath, PurePosixPath

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
# The suffixes of files that are read as pictures.
PICTURE_SUFFIXES = JPEG_SUFFIXES | {".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
# Folders in which operating systems and storage boxes keep deleted pictures, thumbnails and lost parts of files.
_SKIPPED_FOLDERS = frozenset(
    {"$recycle.bin", "recycler", "system volume information", "lost+found"}
    | {"@eadir", "#recycle", "@recycle", "@recently-snapshot"}
)
_SNAPSHOTS = frozenset({"@recently-snapshot", ".snapshot", ".snapshots", ".zfs"})


class LeftOut(StrEnum):
    """Why a picture or a video is not used; the last two are for folders whose content is not known."""

    HIDDEN = "hidden"
    VIDEO = "video"
    RAW = "raw"
    HEIC = "heic"
    OTHER_FORMAT = "other_format"
    BROKEN_LINK = "broken_link"
    UNLABELLED = "unlabelled"
    CORRUPT = "corrupt"
    NEVER_LEARNT = "never_learnt"
    COPY = "copy"
    NOT_NEEDED = "not_needed"
    LINKED_FOLDER = "linked_folder"
    UNREADABLE_FOLDER = "unreadable_folder"


_LEFT_OUT = {
    f".{suffix}": reason
    for reason, suffixes in {
        LeftOut.VIDEO: "avi mp4 mov m4v mpg mpeg mts m2ts wmv mkv webm 3gp 3g2 asf flv ogv lrv",
        LeftOut.RAW: "dng raw cr2 cr3 crw nef nrw arw sr2 srf raf orf rw2 rwl pef srw x3f 3fr fff iiq mef mos mrw erf "
        "kdc dcr gpr",
        LeftOut.HEIC: "heic heif hif avif",
        LeftOut.OTHER_FORMAT: "jp2 j2k jpf jpx jxl jxr wdp mpo jps insp psd tga pcx ppm pgm pbm pnm",
    }.items()
    for suffix in suffixes.split()
}
TellLeftOut = Callable[[str, LeftOut], None]  # a path, and why


def is_picture(name: str | Path) -> bool:
    """Whether a file has the suffix of a picture and is not hidden (such as a Mac's `._IMG.JPG`)."""
    path = PurePosixPath(name)
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def left_out(name: str) -> LeftOut | None:
    """Why a file of this name (without folders) is not read; None if it is read or not counted (#2)."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path costs ten times as much
    if name.startswith("."):
        counts = not name.startswith("._") and (suffix in PICTURE_SUFFIXES or suffix in _LEFT_OUT)
        return LeftOut.HIDDEN if counts else None
    return _LEFT_OUT.get(suffix)


def left_out_below(name: str) -> LeftOut | None:
    """Why a file is not read, by its path relative to the folder that the user gave; None as in `left_out`."""
    path = PurePosixPath(name)
    if not is_in_skipped_folder(path):
        return left_out(path.name)
    snapshot = not _SNAPSHOTS.isdisjoint(part.lower() for part in path.parts)
    return LeftOut.HIDDEN if not snapshot and _counts(path.name) else None


def _counts(name: str) -> bool:
    """Whether a file of this name is counted (#1)."""
    return is_picture(name) or left_out(name) is not None


def is_skipped_folder(name: str) -> bool:
    """Whether pictures in a folder of this name are not read: it is hidden, or for deleted pictures or thumbnails."""
    return name.startswith(".") or name.lower() in _SKIPPED_FOLDERS


def is_in_skipped_folder(name: str | PurePath) -> bool:
    """Whether a file is below a skipped folder; `name` is its path relative to the folder that the user gave."""
    return any(map(is_skipped_folder, PurePosixPath(name).parts[:-1]))


def folders_below(
    folder: Path,
    failed: Callable[[Path, OSError], None] = lambda folder, error: None,
    tell: TellLeftOut | None = None,
) -> Iterator[Path]:
    """The folder itself, whatever its name, and the folders below it that are not skipped; links are not followed.

    Args:
        folder: where to begin.
        failed: called for each folder that cannot be listed; it is left out.
        tell: called for each picture that is not read, and for each linked folder (#1 to #4).
    """
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        names = []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        names.append(entry.name)
                    elif tell is not None and (reason := _reason(entry)):
                        tell(entry.path, reason)
        except OSError as error:
            failed(here, error)
            continue
        yield here
        waiting += [here / name for name in names if not is_skipped_folder(name)]
        if tell is not None:
            _report_skipped([here / name for name in names if is_skipped_folder(name)], tell)


def is_file(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a file, or a link to one."""
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _reason(entry: "os.DirEntry[str]") -> LeftOut | None:
    if not entry.is_symlink() or is_file(entry):
        return left_out(entry.name)
    if os.path.isdir(entry):  # noqa: PTH112 - false, and no error, where it cannot be looked at
        return None if is_skipped_folder(entry.name) else LeftOut.LINKED_FOLDER
    return LeftOut.BROKEN_LINK if _counts(entry.name) else None


def _report_skipped(waiting: list[Path], tell: TellLeftOut) -> None:
    """Call `tell` for the pictures in skipped folders (#3); one that cannot be listed is ignored."""
    while waiting:
        folder = waiting.pop()
        if folder.name.lower() in _SNAPSHOTS:
            continue
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif _counts(entry.name):
                        tell(entry.path, LeftOut.HIDDEN)
        except OSError:
            continue


def printable(name: str) -> str:
    """A file's name as text for tables and logs; bytes that are not UTF-8 (on old cards) become `\\xff`."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
