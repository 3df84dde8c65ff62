"""`Inspection`: the content, near-duplicates and light of each picture, which training needs first."""

from dataclasses import dataclass

from uncia_contract.pictures.light import Light
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.pictures import PictureFailure


@dataclass(frozen=True, eq=False)
class Inspection:
    """The readable pictures in the data set's order, with the findings for each, and the unreadable ones.

    `contents` are the sha256 of the files, `duplicates` the numbers of their groups of near-duplicates.
    """

    pictures: tuple[LabelledPicture, ...]
    contents: tuple[str, ...]
    duplicates: tuple[int, ...]
    lights: tuple[Light, ...]
    failures: tuple[PictureFailure, ...]

    def without_leaks(self) -> tuple["Inspection", list[str]]:
        """The inspection without training pictures that are equal to a test picture, and a warning for each of them."""
        read = list(zip(self.contents, self.pictures, strict=True))
        test = {content: picture.file for content, picture in read if picture.never_learnt}
        leaked = [index for index, (content, one) in enumerate(read) if content in test and not one.never_learnt]
        warnings = [
            f"{self.pictures[index].file}: the same bytes as the test picture {test[self.contents[index]]}; it is not "
            "used for training; delete one of them"
            for index in leaked
        ]
        keep = sorted(set(range(len(read))) - set(leaked))
        kept = Inspection(
            tuple(self.pictures[index] for index in keep),
            tuple(self.contents[index] for index in keep),
            tuple(self.duplicates[index] for index in keep),
            tuple(self.lights[index] for index in keep),
            self.failures,
        )
        return kept, warnings
