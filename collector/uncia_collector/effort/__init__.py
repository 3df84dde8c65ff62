"""How long traps worked: the hourly history of their health, their nights, sighting rates and detection histories."""
