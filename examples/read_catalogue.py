"""Count the positive sequences of each trap in a base station's catalogue.

python examples/read_catalogue.py CATALOGUE     (for example /var/lib/uncia/catalogue.sqlite)

Programs in other languages get the same rows from `uncia-collect list --json`.
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
