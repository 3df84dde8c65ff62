"""An import does not store again what was erased here."""

from datetime import timedelta

from sqlalchemy import select
from tests.collector.imports.test_survey import NOW, SMALL, small, take

from uncia_collector.catalogue.access.people_in_pictures import erase, human_names
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import frames
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.observations.checklist import shipped_checklist
from uncia_collector.settings import sqlite_url

__all__ = ["small"]


def test_erased_pictures_stay_erased_when_the_survey_is_imported_again(stored, small, tmp_path):
    """The same package, a changed one, another catalogue's export of it: counted and reported, never stored."""
    package, other = small(), tmp_path / "other"
    other.mkdir()
    elsewhere = Database(sqlite_url(other))
    elsewhere.migrate()
    with CamtrapPackage(package) as read:
        SurveyImport(read, elsewhere, FrameFolder(other), NOW).run()
    take(package, stored)
    with stored.database.reading() as connection:
        key = connection.execute(select(frames.c.trap, frames.c.sequence).where(frames.c.status == "stored")).one()
    review(stored.database, (key.trap, key.sequence), "relabelled", "anara", NOW, "person")
    erase(stored.database, stored.root, human_names(shipped_checklist()), NOW + timedelta(seconds=1))

    again = take(package, stored)
    assert (again.media_erased, again.media_stored, again.unchanged) == (1, 0, again.sequences)
    assert "1 erased here before" in again.summary
    changed = take(small(observations=SMALL["observations"].replace("0.93", "0.94")), stored)
    with elsewhere.reading() as connection, (other / "out.zip").open("wb") as stream:
        write_camtrap_dp(connection, stream, "Other", NOW, pictures=True, root=other)
    elsewhere.close()
    copied = take(other / "out.zip", stored)
    assert stored.files() == {} and (changed.media_stored, copied.media_stored) == (0, 0)
    with stored.database.reading() as connection:
        assert "erased" in set(connection.execute(select(frames.c.status)).scalars())
