"""Runs `uncia-train` as `python -m uncia_training`, and as the file for `spark-submit`."""

import sys

from uncia_training.cli.main import main

sys.exit(main())
