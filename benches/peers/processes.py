"""How is a process started on its own core, measured, and ended?

Only processes that were started here are ever signalled, one by one, by their id.
"""

import os
import resource
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def allow_files(wanted):
    """Raises the number of open files to at least `wanted`, as far as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
    for limit in ((wanted, wanted), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return limit[0]
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_ports(count):
    """Ports the kernel has just given out; all are held until the last one is known, so that none comes twice."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Process:
    """A program with its children, on the cores it was given."""

    def __init__(self, name, command, cores, output, environment=None):
        self.name = name
        self.output = output
        with open(output, "ab") as out, open(output + ".stderr", "ab") as err:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(environment or {})},
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def wait_for(self, ports, seconds=15):
        """Returns when every port accepts connections."""
        deadline = time.monotonic() + seconds
        for port in ports:
            while True:
                if self.child.poll() is not None:
                    raise RuntimeError(f"{self.name} has ended with {self.child.returncode}: {self.last_words()}")
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise RuntimeError(f"{self.name} does not listen on port {port}: {self.last_words()}")
                    time.sleep(0.02)

    def last_words(self):
        """The end of what it wrote on standard error."""
        with open(self.output + ".stderr", errors="replace") as err:
            return err.read()[-2000:].strip()

    def tree(self):
        """The ids of the process and everything below it."""
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as children:
                        queue += [int(child) for child in children.read().split()]
            except OSError:
                pass
        return found

    def cpu_seconds(self):
        """User and system time of all its threads and children, those that have ended included."""
        ticks = 0
        for pid in self.tree():
            fields = _stat(pid)
            # utime, stime, and both of the children that were waited for: proc(5), fields 14 to 17.
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICKS

    def memory(self):
        """Resident bytes, pages that are shared counted in parts (PSS), so that forked workers do not count twice."""
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as lines:
                    total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
            except (OSError, StopIteration):
                pass
        return total

    def resident(self):
        """Resident bytes (RSS) of all its processes added up; a page that they share counts once for each of them."""
        total = 0
        for pid in self.tree():
            fields = _stat(pid)
            total += int(fields[21]) * PAGE if len(fields) > 21 else 0
        return total

    def files(self):
        """How many files and sockets all its processes have open."""
        total = 0
        for pid in self.tree():
            try:
                total += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass
        return total

    def stop(self):
        """Asks it to end, and ends what is left after a while."""
        known = [(pid, _born(pid)) for pid in self.tree()]
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                pass
        for pid, born in known:
            # The time of birth tells it from a stranger that got the same id since.
            if born is not None and _born(pid) == born and not _is_zombie(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.child.wait()


def _stat(pid):
    """The fields of /proc/PID/stat from the third on; the second may have spaces in it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return []


def _born(pid):
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else None


def _is_zombie(pid):
    return _stat(pid)[:1] == ["Z"]
