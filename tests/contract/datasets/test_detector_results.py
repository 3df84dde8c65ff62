"""A detector's results given as labels are recognised by their layout."""

import json

import pytest

from uncia_contract.datasets.camtrap_package import CamtrapTables
from uncia_contract.datasets.detector_results import refuse_detector_file, refuse_detector_results
from uncia_contract.errors import DataError

BOX = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2]}
LAYOUTS = {
    "agentmorris/MegaDetector's and ours": {
        "info": {"format_version": "1.6"},
        "detection_categories": {"1": "animal"},
        "images": [{"file": "a.jpg", "detections": [BOX]}],
    },
    "without categories": {"images": [{"file": "a.jpg", "detections": []}]},
    "microsoft/MegaDetector's": [{"file": "a.jpg", "detections": [{"category": "animal", "confidence": 0.9}]}],
    "PytorchWildlife's": {"annotations": [{"img_id": "a.jpg", "bbox": [], "category": [], "confidence": []}]},
}


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_results_are_refused_by_name(tmp_path, content):
    """The message says what the file is and what to give instead."""
    (tmp_path / "results.json").write_text(json.dumps(content))
    for read in (refuse_detector_file, CamtrapTables):
        with pytest.raises(DataError, match=r"results\.json: MegaDetector's results .*give the data set") as refused:
            read(tmp_path / "results.json")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [[], {}, 3, None, {"images": []}, {"images": [{"id": 1}]}, [{"file": "a"}], ["a"]])
def test_other_json_is_accepted(content):
    """No error."""
    refuse_detector_results("x.json", content)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_json_is_left_to_its_reader(tmp_path, content):
    """The reader reports the error."""
    (tmp_path / "x.json").write_bytes(content)
    refuse_detector_file(tmp_path / "x.json")
