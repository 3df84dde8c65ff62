"""Fits a head on features in Parquet, and writes it as a run if the pictures and their network are given.

Rows of splits `test` and `tune`, and rows without a label or features, are left out; class 0 is everything except the
positive labels. This module fits with scikit-learn, `spark.fit` with Spark ML, with the same penalty and balance of
classes. The run's threshold, calibration and held-out heads are made as by `fit`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from uncia_contract.datasets.positive_labels import NEGATIVE, check_labels
from uncia_contract.errors import DataError
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import NEVER_LEARNT, LabelledPicture
from uncia_contract.runs.run_folder import Run
from uncia_training.datasets.inspection import Inspection
from uncia_training.datasets.pictures import read_picture
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.backbone_folder import read_backbone
from uncia_training.features.data_pass import WantedFeatures, opened_stores
from uncia_training.features.extract import Extractor, row_key
from uncia_training.features.feature_network import network_of_backbone
from uncia_training.features.feature_table import BOX, TEXTS
from uncia_training.fitting.fit import About, FitSettings, bundle_name, held_out_figures, learnt_rows, leave_run
from uncia_training.fitting.head_fit import REFERENCE_FEATURES, FitKey, fit_head
from uncia_training.fitting.learning_set import LearningSet, learning_set, rows_of
from uncia_training.fitting.logistic import Features, Labels, Linear, fit_linear

OTHER_NETWORK = 0.05  # least relative difference of another network's features; two processors differ by 0.001


def classes_of(positive: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes: the negative one, then the positive labels."""
    return (NEGATIVE, *positive)


def fit_parquet(path: str, positive: Sequence[str], c: float) -> tuple[Linear, int]:
    """The fit of scikit-learn on all rows, in memory, and the number of rows.

    Raises:
        DataError: not a file of `uncia-train features`, or a class without rows.
    """
    features, labels, _ = read_rows(path, positive)
    check_classes(np.bincount(labels, minlength=len(positive) + 1).tolist(), positive, path)
    return fit_linear(features, labels, c), len(labels)


def read_rows(
    path: str, positive: Sequence[str], more: Sequence[str] = ()
) -> tuple[Features, Labels, list[dict[str, Any]]]:
    """The training rows: features float32 (rows, features), class numbers (rows,), and the columns in `more`.

    Raises:
        DataError: not a Parquet file of `uncia-train features`; a label differs from a positive one only in writing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    try:
        data = ds.dataset(path, format="parquet")
        learnt = ~pc.utf8_lower(ds.field("split")).isin(NEVER_LEARNT)
        chosen = ds.field("failure").is_null() & learnt & (ds.field("label") != "")
        table = data.to_table(columns=list(dict.fromkeys(("features", "label", *more))), filter=chosen).combine_chunks()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: no features ({reason}); make them with uncia-train features") from error
    lists = table["features"].combine_chunks() if table.num_rows else pa.array([], pa.list_(pa.float32()))
    numbers = {name: index for index, name in enumerate(classes_of(positive))}
    check_labels(((label, path) for label in table["label"].unique().to_pylist()), positive)
    labels = np.array([numbers.get(label, 0) for label in table["label"].to_pylist()], np.intp)
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    features = flat.reshape(len(labels), -1) if len(labels) else np.empty((0, 0), np.float32)
    return features, labels, table.select(list(more)).to_pylist() if more else []


def check_classes(counts: Sequence[int], positive: Sequence[str], where: str) -> None:
    """Check that every class has rows.

    Raises:
        DataError: a class has none; the message names it.
    """
    empty = [name for name, count in zip(classes_of(positive), counts, strict=True) if not count]
    if empty:
        raise DataError(f"{where}: no rows of {', '.join(empty)} for training")


def fit_parquet_to_folder(
    path: str,
    pictures: Sequence[LabelledPicture],
    backbone_folder: Path,
    settings: FitSettings,
    c: float,
    out: Path,
    final: Linear | None = None,
) -> tuple[Run, LearningSet]:
    """Fit a head with a given penalty and write its run, as `fit` does.

    Args:
        path: the file of features.
        pictures: the pictures of the features.
        backbone_folder: the folder of the features' network.
        settings: the settings, as for `fit`.
        c: the inverse strength of the penalty.
        out: the run's folder.
        final: the fit on all rows, if it was made already.

    Raises:
        DataError: the features are of other pictures or of another network.
    """
    backbone = read_backbone(backbone_folder)
    network = network_of_backbone(backbone_folder, "int8", "pooled").extractor()
    features, _, columns = read_rows(path, settings.positive, (*TEXTS, *BOX, "content"))
    crops, contents = _crops(path, columns, pictures)
    _check_network(path, network, crops, features)
    key = FitKey("int8", ("plain",), any(crop.region for crop in crops))
    with TemporaryDirectory() as folder, opened_stores(Path(folder), network) as stores:
        for crop, values in zip(crops, features, strict=True):
            content = bytes.fromhex(contents[crop.picture.file])
            stores["pooled"].add(row_key(network, content, crop.region, "plain"), values)
        read = {crop.picture.file: crop.picture for crop in crops}
        seen = Inspection(tuple(read.values()), tuple(contents.values()), tuple(range(len(read))), (), ())
        learning = learning_set(seen, crops, settings)
        learning.rows[key] = rows_of(learning, key, crops, WantedFeatures(network, ("plain",), True, stores))
        strengths = (c * features.shape[1] / REFERENCE_FEATURES,)
        train = learnt_rows(learning, key)
        fitted = fit_head(train, replace(settings.recipe, strengths=strengths), final)
    about = About(settings.name or bundle_name(settings.positive), held_out_figures(train, fitted))
    return leave_run(out, learning, key, fitted, backbone, about), learning


def without_features(path: str) -> dict[str, str]:
    """The pictures that `uncia-train features` could not use, each with the reason."""
    import pyarrow.dataset as ds

    failed = ds.dataset(path, format="parquet").to_table(["file", "failure"], filter=~ds.field("failure").is_null())
    return dict(zip(failed["file"].to_pylist(), failed["failure"].to_pylist(), strict=True))


def _crops(
    path: str, columns: Sequence[dict[str, Any]], pictures: Sequence[LabelledPicture]
) -> tuple[list[Crop], dict[str, str]]:
    """The crop of each row, and the sha256 of each picture."""
    paths = {picture.file: picture.path for picture in pictures}
    crops, contents = [], {}
    for row in columns:
        if row["file"] not in paths:
            raise DataError(f"{path}: has {row['file']}, which --data lacks; give the data set of the features")
        texts = {name: row[name] for name in TEXTS}
        region = None if row["left"] is None else Region(*(row[side] for side in BOX))
        crops.append(Crop(LabelledPicture(path=paths[row["file"]], **texts), region))
        contents[row["file"]] = row["content"]
    return crops, contents


def _check_network(path: str, network: Extractor, crops: Sequence[Crop], features: Features) -> None:
    """Raise DataError if the network gives other features for the first picture."""
    if not crops:
        return
    given, first = features[0], crops[0]
    own = network(model_input(read_picture(first.picture), network.size, first.region))["pooled"]
    if own.shape != given.shape or np.abs(own - given).mean() > OTHER_NETWORK * max(np.abs(own).mean(), 1e-6):
        raise DataError(f"{path}: features of {first.picture.file} are of another network or file; make them again")
