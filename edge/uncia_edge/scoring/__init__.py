"""Scores a burst and makes its sequence record, on the CPU or an accelerator."""
