"""Whether a process of this machine still lives, by its number. Sends it nothing, and needs no right to it."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _SYNCHRONIZE = 0x00100000
    _STILL_RUNS = 0x102  # WAIT_TIMEOUT
    _NO_SUCH_PROCESS = 87  # ERROR_INVALID_PARAMETER: what OpenProcess says of a number that no process has

    def lives(pid: int) -> bool:
        """Whether a process has that number; so too where it cannot be told. Another may have it since."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not handle:
            return ctypes.get_last_error() != _NO_SUCH_PROCESS
        try:
            return kernel.WaitForSingleObject(wintypes.HANDLE(handle), 0) == _STILL_RUNS
        finally:
            kernel.CloseHandle(wintypes.HANDLE(handle))

else:

    def lives(pid: int) -> bool:
        """Whether a process has that number; so too where it cannot be told. Another may have it since."""
        if pid <= 0:
            return True  # would mean a group of processes
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            return True  # another user's
        return True
