"""What must be known of every picture before anything is learnt: its content, near-duplicates, and light."""

from dataclasses import dataclass

from uncia_contract.pictures.light import Light
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.pictures import PictureFailure


@dataclass(frozen=True, eq=False)
class Inspection:
    """The readable pictures, in the data set's order, with what was found for each; and those that are not readable."""

    pictures: tuple[LabelledPicture, ...]
    contents: tuple[str, ...]
    duplicates: tuple[int, ...]
    lights: tuple[Light, ...]
    failures: tuple[PictureFailure, ...]

    def without_leaks(self) -> tuple["Inspection", list[str]]:
        """Without training pictures that the test split has as well, byte for byte; and a warning for each."""
        read = list(zip(self.contents, self.pictures, strict=True))
        test = {content: picture.file for content, picture in read if picture.never_learnt}
        leaked = [index for index, (content, one) in enumerate(read) if content in test and not one.never_learnt]
        warnings = [
            f"{self.pictures[index].file}: the same bytes as the test picture {test[self.contents[index]]}; not learnt "
            "from; delete one of them"
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
