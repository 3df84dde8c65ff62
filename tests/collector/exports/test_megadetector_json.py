"""MegaDetector JSON 1.6 of a whole catalogue, checked by PyPI's megadetector-utils."""

import io
import json
from datetime import UTC, datetime

import pytest

from uncia_collector.exports.kinds import Request, export

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def test_megadetector_utils_finds_nothing_wrong(stored, sent):
    """There is no error and no warning, and every image exists below the data folder."""
    validator = pytest.importorskip("megadetector.postprocessing.validate_batch_results")
    stored.commit(*sent.messages())
    with stored.database.reading() as connection:
        stream = io.BytesIO()
        export("megadetector", Request(connection, "Station", stored.root, NOW), stream)
    results = json.loads(stream.getvalue())
    options = validator.ValidateBatchResultsOptions()
    options.check_image_existence, options.relative_path_base = True, str(stored.root)

    verdict = validator.validate_batch_results(results, options)["validation_results"]

    assert (verdict["errors"], verdict["warnings"], len(results["images"])) == ([], [], 2)
