"""Count the positive sequences of each trap in a base station's catalogue.

python examples/read_catalogue.py CATALOGUE     (such as /var/lib/uncia/catalogue.sqlite)

`uncia-collect list --json` gives the same rows to programs that are not written in Python.
"""

import sys
from collections import Counter
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing

database = Database(f"sqlite:///{Path(sys.argv[1]).absolute()}")
positives = Counter(row["trap"] for row in listing(database) if row["positive"])
for trap, number in sorted(positives.items()):
    print(f"{trap}: {number}")
