"""Surveys of others taken into the catalogue: `package` reads, `event` says what it means, `survey` writes."""
