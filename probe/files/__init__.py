"""Writing of files: whole or not at all, those of a set together, and by one process at a time."""

from probe.files.exchange import Write, check_writable, settle, write_atomically, write_together
from probe.files.owner import is_being_written, owned

__all__ = ["Write", "check_writable", "is_being_written", "owned", "settle", "write_atomically", "write_together"]
