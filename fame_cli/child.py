"""A process of its own for work that may crash: it dies alone, and never outlives the one that began it.

Every shard of a stage is computed in one, on this machine and on each machine of a cluster alike, so that
a crash is met in one way everywhere. Processes of ``multiprocessing`` and joblib would not do: the workers
of a dask cluster may not begin them, and those of a parent that was killed go on computing.
"""

import contextlib
import functools
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any, TypeVar

Result = TypeVar("Result")

IDLE_SECONDS = 300
"""After which a child without work ends, so that a cluster's workers do not keep them for ever."""

LENGTH = struct.Struct("<Q")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Set to 1 in a child where the user has not set them: there are as many children as cores."""


SILENT = {"OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
"""What a decoder says of a bad file names no file; the stage tells of it by name."""


class ChildDiedError(Exception):
    """A child process ended in the middle of a call; the message tells the signal or exit code."""

    def __init__(self, how: str, process_id: int) -> None:
        super().__init__(how)
        self.process_id = process_id


class Child:
    """One child process, which makes one call after another."""

    def __init__(self) -> None:
        environment = dict.fromkeys(THREADS, "1") | SILENT | os.environ
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        program = "from fame_cli import child; child.serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """``function(*arguments)`` in the child, by name of the function.

        Raises what the function raises, and ChildDiedError where the child dies.
        """
        request = pickle.dumps((function, arguments))
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(LENGTH.pack(len(request)) + request)
            self.process.stdin.flush()
            value, error = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise ChildDiedError(self.describe_end(), self.process.pid) from None
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def describe_end(self) -> str:
        code = self.process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            # What was still to be sent is of no use now.
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]


class Children:
    """As many children as make calls at the same time, each used again and again.

    One that is sent to another process arrives there as that process's own.
    """

    def __init__(self) -> None:
        self.all: set[Child] = set()
        self.free: list[Child] = []
        self.closed = False

    def __reduce__(self) -> tuple[Callable[[], "Children"], tuple[()]]:
        return children_of_this_process, ()

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Make a call in a child that is free, or in a new one; threads may call at the same time."""
        child = self.take()
        try:
            value = child.call(function, *arguments)
        except BaseException:
            # It is dead or busy, or its call failed, which is rare enough to begin another.
            child.end()
            self.all.discard(child)
            raise
        self.free.append(child)
        return value

    def take(self) -> Child:
        while self.free:
            child = self.free.pop()
            if child.process.poll() is None:
                return child
            self.all.discard(child)
        child = Child()
        self.all.add(child)
        if self.closed:
            child.end()  # a thread that has not heard of it yet must not go on
        return child

    def close(self) -> None:
        """End all of them for good, also in the middle of a call."""
        self.closed = True
        for child in list(self.all):
            child.process.kill()
            child.process.wait()


@functools.cache
def children_of_this_process() -> Children:
    return Children()


def serve() -> None:
    """What runs in the child: make the calls that come in, until there is no one left to send any."""
    # What the work prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C reaches the whole group of processes; what becomes of this one is its parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    while True:
        try:
            request = requests.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            os._exit(0)  # an ordinary end would wait for the thread that reads
        answers.write(answer(request))
        answers.flush()


def receive(stream: IO[bytes], requests: "queue.SimpleQueue[bytes]") -> None:
    """Pass requests on. Their end means that the parent is gone: this process goes at once, work or not."""
    while len(head := stream.read(LENGTH.size)) == LENGTH.size:
        requests.put(stream.read(*LENGTH.unpack(head)))
    os._exit(0)


def answer(request: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(request)
        return pickle.dumps((function(*arguments), None))
    except Exception as error:  # noqa: BLE001
        error.add_note(traceback.format_exc())
        with contextlib.suppress(Exception):
            pickle.loads(told := pickle.dumps((None, error)))
            return told
        return pickle.dumps((None, RuntimeError(traceback.format_exc())))
