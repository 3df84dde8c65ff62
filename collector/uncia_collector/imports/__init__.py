"""Imports of other teams' surveys: `package` reads them, `event` translates them, `survey` writes the catalogue."""
