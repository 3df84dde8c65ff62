"""A burst to a sequence record, on CPU or Edge TPU."""
