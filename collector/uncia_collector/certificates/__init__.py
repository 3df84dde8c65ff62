"""The station's authority: who may connect to the broker as whom, and who no longer."""
