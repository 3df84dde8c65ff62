"""`python -m uncia_training`, and the file that `spark-submit` is given."""

import sys

from uncia_training.cli.main import main

sys.exit(main())
