"""A Spark session: on this machine, or the one that spark-submit has begun; and its arguments on the command line.

Decides Spark's settings: few sequences a batch, times in UTC, a small driver where Spark begins here. Spark itself is
imported only when a session begins.
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

BATCH = 32  # sequences that a worker takes at a time: what it holds in memory, and how often progress is told
ROUND = 20_000  # sequences: what a stopped job loses at most
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
    """Spark gave up."""


def add_spark(command: argparse.ArgumentParser) -> None:
    """Adds what every command may say about Spark."""
    command.add_argument(
        "--master", metavar="URL", help="Spark's, such as local[2] (spark-submit's, else all cores of this machine)"
    )
    command.add_argument(
        "--round", type=whole(1), default=ROUND, metavar="N", help=f"sequences that Spark commits together ({ROUND})"
    )


@contextmanager
def spark(master: str | None = None) -> Iterator[Any]:
    """A session; it ends with the block.

    Args:
        master: where Spark runs, such as `local[2]` or `spark://base:7077`; None leaves it to spark-submit, and to this
            machine's cores where that has said nothing.

    Raises:
        RuntimeMissingError: no Java, or no pyspark.
        SparkError: Spark cannot begin, or a job fails.
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
        raise RuntimeMissingError("no Java: Spark wants version 17 or newer; apt install default-jre-headless")
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise RuntimeMissingError("no pyspark; install it with pip install 'uncia[training,spark]'") from error
    # What is used of pandas 3 here (frames into and out of mapInPandas) is tested with it.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("uncia")
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # begun by spark-submit, whose settings win
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
        raise SparkError(f"Spark: cannot begin at {master or 'local[*]'} ({_reason(error)})") from error
    return session


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error:" in line or "Exception:" in line]
    return (telling or lines or [type(error).__name__])[-1][:300]
