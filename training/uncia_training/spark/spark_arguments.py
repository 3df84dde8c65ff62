"""What a person may say about Spark, the same for every command; nothing of Spark is imported for it."""

import argparse

from uncia_contract.cli.arguments import whole

ROUND = 20_000  # sequences: what a stopped job loses at most


def add_spark(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "--master", metavar="URL", help="Spark's, such as local[2] (spark-submit's, else all cores of this machine)"
    )
    command.add_argument(
        "--round", type=whole(1), default=ROUND, metavar="N", help=f"sequences that Spark commits together ({ROUND})"
    )
