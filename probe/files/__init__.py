"""Writing of files: whole or not at all, those of a set together, and by one process at a time."""

from probe.files.exchange import Write, check_writable, settle, write_atomically, write_together
from probe.files.owner import owned

__all__ = ["Write", "check_writable", "owned", "settle", "write_atomically", "write_together"]
