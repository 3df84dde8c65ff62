"""The contract: values and rules that two machines must agree on.

Pure: no network, no clock, no disk but where a path is handed in.
The other packages import this one and never each other.
"""
