"""Starts a Spark session on this machine, or uses that of spark-submit; adds its command-line arguments.

Decides Spark's settings: few sequences per batch, times in UTC, a small driver if Spark starts here. Spark itself is
imported only when a session starts.
"""

import argparse
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uncia_contract.cli.arguments import whole
from uncia_contract.errors import RuntimeMissingError, UnciaError

BATCH = 32  # sequences in a worker's memory at a time; progress is reported after each batch
ROUND = 20_000  # sequences; a stopped job loses at most one round
SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.log.level": "ERROR",
}


class SparkError(UnciaError, RuntimeError):
    """Spark cannot start, or a job failed."""


def add_spark(command: argparse.ArgumentParser) -> None:
    """Adds the options of every command that can run on Spark."""
    command.add_argument(
        "--master",
        metavar="URL",
        help="Spark's master, such as local[2] (that of spark-submit, else all cores of this machine)",
    )
    command.add_argument(
        "--round", type=whole(1), default=ROUND, metavar="N", help=f"sequences that Spark commits together ({ROUND})"
    )


@contextmanager
def spark(master: str | None = None) -> Iterator[Any]:
    """A session; it ends with the `with` block.

    Args:
        master: where Spark runs, such as `local[2]` or `spark://base:7077`; None is the master of spark-submit, or all
            cores of this machine without spark-submit.

    Raises:
        RuntimeMissingError: no Java, or no pyspark.
        SparkError: Spark cannot start, or a job fails.
    """
    session = _session(master)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield session
    except (Py4JError, PySparkException) as error:
        raise SparkError(f"Spark: {_reason(error)}") from error
    finally:
        session.stop()


def _session(master: str | None) -> Any:
    if shutil.which("java") is None and not (Path(os.environ.get("JAVA_HOME", "-")) / "bin" / "java").exists():
        raise RuntimeMissingError("no Java: Spark needs version 17 or newer; apt install default-jre-headless")
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise RuntimeMissingError("no pyspark; install it with pip install 'uncia[training,spark]'") from error
    # Frames into and out of mapInPandas are all that is used of pandas 3, and the tests cover them.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("uncia")
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # started by spark-submit, whose settings have priority
    for name, value in SETTINGS.items():
        if not (submitted and name.startswith("spark.driver")):
            builder = builder.config(name, value)
    if master or not submitted:
        builder = builder.master(master or "local[*]")
    if (master or "").startswith("local") or not (master or submitted):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.config("spark.sql.shuffle.partitions", "4")
    if os.environ.get("PYTHONPATH"):
        builder = builder.config("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
    try:
        session = builder.getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise SparkError(f"Spark: cannot start at {master or 'local[*]'} ({_reason(error)})") from error
    return session


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error:" in line or "Exception:" in line]
    return (telling or lines or [type(error).__name__])[-1][:300]
