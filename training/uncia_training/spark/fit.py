"""Fits Spark ML's logistic regression on features in Parquet that do not fit into one machine's memory.

Decides how to set Spark so that it fits as scikit-learn does: features standardised with the population's deviation
(Spark divides by n - 1), classes balanced, penalty 1 / (C * rows), no penalty on the intercept.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.runs.labels import NEVER_LEARNT
from uncia_training.fitting.logistic import Linear, class_rows
from uncia_training.fitting.parquet_fit import check_classes, classes_of


def fit_spark(session: Any, path: str, positive: Sequence[str], c: float) -> tuple[Linear, int]:
    """The same fit as `fit_parquet`, on Spark's workers, and the number of rows.

    Raises:
        DataError: a class without rows, or a label that differs from a positive one only in case or spaces.
    """
    from pyspark.ml.classification import LogisticRegression

    rows = _labelled(session, path, positive).persist()
    _check_labels(session, path, positive)
    counts = _counts(rows, len(positive) + 1)
    check_classes(counts, positive, path)
    total = sum(counts)
    standardised, mean, scale = _standardised(_weighted(rows, counts), total)
    model = LogisticRegression(
        featuresCol="standardised",
        labelCol="class",
        weightCol="weight",
        regParam=1 / (c * total),
        elasticNetParam=0.0,
        standardization=False,
        maxIter=2000,
        tol=1e-9,
        family="binomial" if len(counts) == 2 else "multinomial",
    ).fit(standardised)
    rows.unpersist()
    coefficients, intercept = class_rows(model.coefficientMatrix.toArray(), model.interceptVector.toArray())
    folded = coefficients / scale
    return Linear(folded, intercept - folded @ mean), total


def _check_labels(session: Any, path: str, positive: Sequence[str]) -> None:
    found = session.read.parquet(path).select("label").distinct().collect()
    check_labels(((row["label"], path) for row in found), positive)


def _labelled(session: Any, path: str, positive: Sequence[str]) -> Any:
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as f

    number = f.lit(0.0)
    for index, name in enumerate(classes_of(positive)[1:], start=1):
        number = f.when(f.col("label") == name, f.lit(float(index))).otherwise(number)
    rows = session.read.parquet(path).where("failure is null and label <> ''")
    rows = rows.where(~f.lower("split").isin(*NEVER_LEARNT))
    return rows.select(array_to_vector("features").alias("features"), number.alias("class"))


def _counts(rows: Any, classes: int) -> list[int]:
    found = {int(row["class"]): int(row["count"]) for row in rows.groupBy("class").count().collect()}
    return [found.get(number, 0) for number in range(classes)]


def _weighted(rows: Any, counts: Sequence[int]) -> Any:
    """The rows with weights so that each class counts the same, as with scikit-learn's `balanced`."""
    from pyspark.sql import functions as f

    weight = f.lit(0.0)
    for number, count in enumerate(counts):
        weight = f.when(f.col("class") == number, f.lit(sum(counts) / (len(counts) * count))).otherwise(weight)
    return rows.withColumn("weight", weight)


def _standardised(rows: Any, total: int) -> tuple[Any, np.ndarray, np.ndarray]:
    from pyspark.ml.feature import ElementwiseProduct, StandardScaler
    from pyspark.ml.linalg import Vectors

    scaler = StandardScaler(inputCol="features", outputCol="scaled", withMean=True, withStd=True).fit(rows)
    mean, deviation = scaler.mean.toArray(), scaler.std.toArray()
    to_population = np.sqrt(total / (total - 1))
    product = ElementwiseProduct(
        scalingVec=Vectors.dense([to_population] * len(mean)), inputCol="scaled", outputCol="standardised"
    )
    scale = np.where(deviation > 0, deviation / to_population, 1.0)
    return product.transform(scaler.transform(rows)), mean, scale
