"""An IPython kernel that ends with the process that started it, even one killed outright."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); Linux only


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel of the operating system send this process a signal when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


if __name__ == "__main__":
    die_with_parent(signal.SIGKILL)
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
