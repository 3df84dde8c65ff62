"""The contract: values and rules that two machines must agree on.

Pure: it uses no network and no clock, and reads or writes a disk only where the caller gives a path.
The other packages import this one; edge, training, converter and collector never import each other.
"""
