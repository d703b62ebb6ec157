"""What every peer has in common: the protocol on standard input and output, and the file of tensors.

    load NAME train|infer BATCH FILE   ok | none | error TEXT
    check N                            N losses of training; of inference mean |y|, root mean y^2 and largest y
    time SECONDS                       microseconds a step, one number a sample
    rss                                largest resident set so far, kB
    quit
"""
import sys
import time
import traceback

import numpy as np

SAMPLE = 1e-3  # steps shorter than this are timed several at once


def read_tensors(path):
    tensors = []
    with open(path, "rb") as file:
        while line := file.readline():
            dtype, rank, *sizes = line.split()
            shape = tuple(map(int, sizes[:int(rank)]))
            count = int(np.prod(shape, dtype=np.int64))
            data = np.frombuffer(file.read(4 * count), "<i4" if dtype == b"int32" else "<f4")
            tensors.append(data.reshape(shape).copy())
    return tensors


def norms(y):
    y = np.asarray(y, np.float64)
    return [float(np.abs(y).mean()), float(np.sqrt((y * y).mean())), float(y.max())]


def peak_rss():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def measure(run, seconds):
    """run(k) does k steps and returns when they are done."""
    run(1)
    start = time.perf_counter()
    run(1)
    each = time.perf_counter() - start
    group = max(1, int(SAMPLE / max(each, 1e-6)))
    if group > 1:
        start = time.perf_counter()
        run(group)
        each = (time.perf_counter() - start) / group
        group = max(1, int(SAMPLE / max(each, 1e-6)))
    times, stop = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        run(group)
        times.append((time.perf_counter() - start) / group * 1e6)
    return times


def serve(make):
    """make(name, training, tensors, batch) gives (run, values), or None where the peer hasn't got the workload.
    values(): the last step's losses, or what inference gave."""
    out = sys.stdout
    sys.stdout = sys.stderr
    current = None
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "quit":
                break
            if words[0] == "load":
                name, mode, batch = words[1], words[2], int(words[3])
                current = None
                training = mode == "train"
                current = make(name, training, read_tensors(words[4]), batch)
                answer = "ok" if current else "none"
            elif words[0] == "check":
                values = []
                for _ in range(int(words[1]) if training else 1):
                    current[0](1)
                    values += current[1]() if training else norms(current[1]())
                answer = " ".join("%.9g" % v for v in values)
            elif words[0] == "time":
                answer = " ".join("%.3f" % t for t in measure(current[0], float(words[1])))
            elif words[0] == "rss":
                answer = str(peak_rss())
            else:
                answer = "error what is %s?" % words[0]
        except Exception as error:  # told to the driver, which leaves this workload out for this peer
            traceback.print_exc()
            answer = "error " + str(error).replace("\n", " ")[:300]
        out.write(answer + "\n")
        out.flush()
