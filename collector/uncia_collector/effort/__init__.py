"""How long traps worked: an hourly history of their health, nights, rates and detection histories."""
