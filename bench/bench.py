#!/usr/bin/env python3
"""Moru and its peers side by side: one process each, that take turns. See "Measuring against others" in
doc/architecture.md; `bench.py --help` tells the options. Needs the standard library only."""
import argparse
import contextlib
import csv
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time

import ops
import report
import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = {  # name: (environment, script, arguments)
    "torch": ("torch", "torch_peer.py", []),
    "compile": ("torch", "torch_peer.py", ["--compile"]),
    "torch-cl": ("torch", "torch_peer.py", ["--channels-last"]),
    "jax": ("jax", "jax_peer.py", []),
    "tf": ("tf", "tf_peer.py", []),
    "tf-xla": ("tf", "tf_peer.py", ["--xla"]),
}
TUNED = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "67108864"}
OP_PEERS = {  # single ops: PyTorch in both layouts, with glibc's allocator as it is and told to keep its memory
    "torch": ("torch", "torch_ops.py", []),
    "torch-cl": ("torch", "torch_ops.py", ["--channels-last"]),
    "torch-tuned": ("torch", "torch_ops.py", []),
    "torch-cl-tuned": ("torch", "torch_ops.py", ["--channels-last"]),
}
USUAL = ["torch", "compile", "jax", "tf"]


class Failed(Exception):
    pass


def in_child():
    """Nothing outlives the driver, not even a stopped process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def set_priority(pid, nice):
    if nice is None or sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/%d/task" % pid):
            os.setpriority(os.PRIO_PROCESS, int(thread), nice)
        with open("/proc/%d/autogroup" % pid, "w") as file:  # a session counts as one, with its own niceness
            file.write("%d" % nice)


class Side:
    """Moru's process, or a peer's. It is stopped (SIGSTOP) whenever it isn't asked something, so that no pool of
    threads spins while others are measured."""

    def __init__(self, name, command, env, settings):
        self.name, self.settings = name, settings
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=settings.log,
                                        env=env, start_new_session=True, preexec_fn=in_child, text=True)
        self.stopped = False
        self.priority(settings.nice)

    def priority(self, nice):
        set_priority(self.process.pid, nice)

    def ask(self, line):
        self.wake()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Failed("the process ended")
        self.stop()
        if answer.startswith("error"):
            raise Failed(answer[6:].strip())
        return answer.strip()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGSTOP)
        self.stopped = True

    def wake(self):
        if self.stopped:
            os.killpg(self.process.pid, signal.SIGCONT)
            self.stopped = False

    def cpu_seconds(self):
        try:
            with open("/proc/%d/stat" % self.process.pid) as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return 0.0

    def end(self):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def command_of(name, settings):
    if name == "moru":
        return [os.path.join(settings.build, "bench", "moru_bench")]
    environment, script, arguments = (OP_PEERS if settings.ops else PEERS)[name]
    python = os.path.join(settings.venvs, environment, "bin", "python")
    return [python, os.path.join(HERE, "peers", script), *arguments]


def environment_of(settings):
    env = dict(os.environ, OMP_NUM_THREADS=str(settings.threads), PYTHONDONTWRITEBYTECODE="1",
               TORCHINDUCTOR_COMPILE_THREADS="1", TF_CPP_MIN_LOG_LEVEL="2", JAX_PLATFORMS="cpu")
    if settings.spin:
        env["GOMP_SPINCOUNT"] = str(settings.spin)
    return env


def start(name, settings):
    command = command_of(name, settings)
    if not os.path.exists(command[0]):
        return None
    env = environment_of(settings)
    if name.endswith("-tuned"):
        env.update(TUNED)
    return Side(name, command, env, settings)


@contextlib.contextmanager
def alone(settings):
    """Holds the lock of several runs on one machine, if there is one; wakes nobody."""
    if not settings.lock:
        yield
        return
    with open(settings.lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def peak(settings):
    program = os.path.join(settings.build, "bench", "peak")
    with alone(settings):
        process = subprocess.Popen([program, "1" if settings.quick else "2"], env=environment_of(settings),
                                   stdout=subprocess.PIPE, start_new_session=True, preexec_fn=in_child, text=True)
        set_priority(process.pid, settings.measure_nice)
        text = process.communicate()[0]
    return tuple(map(float, text.split()))


def difference(a, b):
    return max(abs(x - y) / max(abs(x), abs(y), 1e-12) for x, y in zip(a, b)) if len(a) == len(b) else float("inf")


def load_all(sides, work, training, batch, path, result):
    """Loads the workload everywhere, and compares the first losses: who computes something else isn't timed."""
    ready, values = [], {}
    for side in sides:
        try:
            if side.ask("load %s %s %d %s" % (work.name, "train" if training else "infer", batch, path)) == "none":
                continue
            values[side.name] = list(map(float, side.ask("check 3").split()))
            ready.append(side)
        except Failed as error:
            result.notes.append("%s: %s" % (side.name, error))
    reference = values.get("torch") or next(iter(values.values()), None)
    for side in list(ready):
        result.differences[side.name] = d = difference(values[side.name], reference)
        if not d <= work.tolerance:
            result.notes.append("%s computes something else: %s against %s" % (side.name, values[side.name], reference))
            ready.remove(side)
    return ready


def rounds(ready, settings, result):
    """The sides take turns; the order turns, too."""
    idle, busy = {s.name: 0.0 for s in ready}, 0.0
    for k in range(settings.rounds):
        with alone(settings):
            for side in ready[k % len(ready):] + ready[:k % len(ready)]:
                before = {s.name: s.cpu_seconds() for s in ready if s is not side}
                began = time.monotonic()
                side.priority(settings.measure_nice)
                text = side.ask("time %g" % settings.seconds)
                side.priority(settings.nice)
                busy += time.monotonic() - began
                result.add(side.name, k, list(map(float, text.split())))
                for s in ready:
                    if s is not side:
                        idle[s.name] += s.cpu_seconds() - before[s.name]
    for name, seconds in idle.items():
        if busy > 0 and seconds / busy > 0.01:
            result.notes.append("%s used %.0f %% of a processor in others' turns" % (name, 100 * seconds / busy))


def run_workload(sides, work, mode, settings, peaks, directory):
    training, batch = mode == "train", 1 if mode == "infer1" else work.batch
    result = report.Result(work.name, work.title, mode, batch, work.flops(training, batch) / peaks[1] * 1e-6)
    path = os.path.join(directory, work.name.replace(":", "_"))
    if not os.path.exists(path):
        work.write(path)
    ready = []
    try:
        ready = load_all(sides, work, training, batch, path, result)
        if ready:
            rounds(ready, settings, result)
        if mode == "op":
            os.remove(path)
    except Failed as error:
        result.notes.append(str(error))
    return result


def memory(names, work, settings, directory, result):
    """Largest resident set of a fresh process that did five training steps."""
    path = os.path.join(directory, work.name)
    for name in names:
        if name not in result.samples:
            continue
        side = start(name, settings)
        try:
            side.ask("load %s train %d %s" % (work.name, work.batch, path))
            side.ask("check 5")
            result.memory[name] = int(side.ask("rss")) / 1024
        except Failed as error:
            result.notes.append("%s, memory: %s" % (name, error))
        finally:
            side.end()


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--venvs", default=os.environ.get("MORU_BENCH_VENVS", "venv"), metavar="DIR",
                   help="the peers' environments (setup.sh makes them); or MORU_BENCH_VENVS")
    p.add_argument("--build", default=".", metavar="DIR", help="where Moru was built")
    p.add_argument("--only", default="", 
                   help="ops with these words in their titles; or workloads, by comma: " + ",".join(workloads.BY_NAME))
    p.add_argument("--ops", action="store_true", help="single ops, against PyTorch in both layouts")
    p.add_argument("--peers", help="by comma: " + ",".join(PEERS) + "; none: Moru alone")
    p.add_argument("--mode", help="by comma: train, infer (same batch), infer1 (batch 1)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.0, help="of a round, for each side")
    p.add_argument("--quick", action="store_true", help="two short rounds")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--spin", type=int, default=10000, help="GOMP_SPINCOUNT for all alike; 0: GNU OpenMP's default")
    p.add_argument("--memory", action="store_true", help="largest resident sets, too (a fresh process for each)")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("--csv", metavar="FILE", help="every sample goes there")
    p.add_argument("--lock", metavar="FILE", default=os.environ.get("MORU_BENCH_LOCK"),
                   help="hold this lock while measuring (for machines where several measure)")
    p.add_argument("--nice", type=int, help="niceness while loading and compiling")
    p.add_argument("--measure-nice", type=int, help="niceness while measuring")
    p.add_argument("--verbose", action="store_true", help="show what the peers say on standard error")
    s = p.parse_args()
    if s.quick:
        s.rounds, s.seconds = 2, min(s.seconds, 0.3)
    s.log = None if s.verbose else subprocess.DEVNULL
    s.mode = "op" if s.ops else s.mode or "train"
    s.csv = s.csv or ("bench-ops.csv" if s.ops else "bench.csv")
    s.peers = ",".join(OP_PEERS if s.ops else USUAL) if s.peers is None else s.peers
    if s.ops:
        s.seconds, s.chosen = min(s.seconds, 0.3), [o for o in ops.ALL if any(w in o.title for w in s.only.split(","))]
    else:
        s.chosen = [workloads.BY_NAME[n] for n in s.only.split(",")] if s.only else workloads.ALL
    return s


def run(settings, directory):
    peaks = peak(settings)
    names = ["moru"] + [n for n in settings.peers.split(",") if n in (OP_PEERS if settings.ops else PEERS)]
    sides, results = [], []
    try:
        for name in names:
            side = start(name, settings)
            if side:
                sides.append(side)
            else:
                print("%s isn't there: setup.sh makes the peers' environments" % name, file=sys.stderr)
        for mode in settings.mode.split(","):
            for work in settings.chosen:
                result = run_workload(sides, work, mode, settings, peaks, directory)
                results.append(result)
                print(report.line(result, names), file=sys.stderr, flush=True)
    finally:
        for side in sides:
            side.end()
    if settings.memory:
        for result in results:
            if result.mode == "train":
                memory(names, workloads.BY_NAME[result.name], settings, directory, result)
    return results, names, peaks


def main():
    settings = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if settings.nice is not None:
        os.nice(settings.nice - os.nice(0))
    if hasattr(os, "sched_setaffinity"):  # JAX takes as many threads as there are processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:settings.threads])
    with tempfile.TemporaryDirectory(prefix="moru-bench-") as directory:
        results, names, peaks = run(settings, directory)
    with open(settings.csv, "w", newline="") as file:
        report.write_csv(csv.writer(file), results)
    print(report.tables(results, names, peaks, settings.markdown))
    sys.exit(1 if any(r.failed() for r in results) else 0)


if __name__ == "__main__":
    main()
