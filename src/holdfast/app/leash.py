"""Ties a child to the life of its parent: when the parent dies, even of ``kill -9``, the kernel signals the child.

It is also a program, ``python leash.py PARENT SIGNAL UID GID COMMAND...``, which gives up root where UID is not -1, asks the
kernel for the signal and becomes COMMAND. Doing so in a program of its own, instead of between fork and exec, is safe
whatever threads the parent has. The parent must start it from a thread that lives as long as the child should.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def leashed(command: Sequence[str], death: signal.Signals, account: tuple[int, int] | None = None) -> list[str]:
    """The command that runs ``command`` until we end, as (uid, gid) ``account`` where one is given."""
    uid, gid = account or (-1, -1)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death)), str(uid), str(gid), *command]


def end_within(seconds: int) -> None:
    """However this process hangs while it ends: after so many seconds the kernel ends it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def end_with_parent(parent: int, death: signal.Signals) -> None:
    """The kernel sends this process a signal when its parent ends; at once, if that has happened already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent is already gone")


def _become(parent: int, death: int, uid: int, gid: int, command: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # After the change of account, because that change makes the kernel forget the signal.
    end_with_parent(parent, signal.Signals(death))
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted.


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
