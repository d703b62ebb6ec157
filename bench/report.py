"""Results and their tables."""
import math
import statistics

TITLES = {"moru": "Moru", "torch": "PyTorch", "compile": "torch.compile", "torch-cl": "PyTorch, channels last", 
          "jax": "JAX jit", "tf": "TensorFlow", "tf-xla": "TensorFlow XLA", "torch-tuned": "tuned malloc",
          "torch-cl-tuned": "channels last, tuned malloc"}
MODES = {"train": "Training step: forward, backward, Adam", "infer": "Inference", "infer1": "Inference, batch 1",
         "op": "Op by op"}


class Result:
    """One workload in one mode. Times are microseconds a step; limit, given in ms, is the arithmetic's."""

    def __init__(self, name, title, mode, batch, limit):
        self.name, self.title, self.mode, self.batch, self.limit = name, title, mode, batch, limit * 1e3
        self.samples, self.rows, self.differences, self.memory, self.notes = {}, [], {}, {}, []

    def add(self, side, k, times):
        self.samples.setdefault(side, []).extend(times)
        self.rows += [(self.name, self.mode, self.batch, side, k, i, t) for i, t in enumerate(times)]

    def median(self, side):
        return statistics.median(self.samples[side]) if side in self.samples else None

    def least(self, side):
        return min(self.samples[side]) if side in self.samples else None

    def ratio(self, of):
        """Best peer's time by Moru's; None without either."""
        peers = [of(s) for s in self.samples if s != "moru"]
        return min(peers) / of("moru") if peers and "moru" in self.samples else None

    def failed(self):
        return any("computes something else" in note for note in self.notes)


def number(x, digits=3):
    if x is None:
        return "-"
    if x == 0:
        return "0"
    return "%.*f" % (max(0, digits - 1 - math.floor(math.log10(abs(x)))), x)


def mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def means(results):
    return [number(mean([r.ratio(of(r)) for r in results])) for of in (lambda r: r.median, lambda r: r.least)]


def line(result, names):
    cells = ["%s %s" % (TITLES[n], number(result.median(n) / 1e3)) for n in names if n in result.samples]
    text = "%s %s: %s ms" % (result.name, result.mode, ", ".join(cells))
    if result.ratio(result.median):
        text += "; ratio %s" % number(result.ratio(result.median))
    return "\n    ".join([text] + result.notes)


def layout(rows, markdown):
    if markdown:
        rows = [rows[0], ["---"] * len(rows[0])] + rows[1:]
        return "\n".join("| " + " | ".join(r) + " |" for r in rows)
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join([r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])]) for r in rows)


def times(results, names, markdown):
    rows = [["workload (batch)", "limit"] + [TITLES[n] for n in names]
            + ["ratio, median", "ratio, least", "% of limit", "differ by"]]
    for r in results:
        best = min((r.median(n) for n in names if n in r.samples), default=None)
        cells = []
        for n in names:
            text = "%s / %s" % (number(r.median(n) / 1e3), number(r.least(n) / 1e3)) if n in r.samples else "-"
            cells.append("**%s**" % text if markdown and n in r.samples and r.median(n) == best else text)
        own = r.median("moru")
        rows.append([r.title, number(r.limit / 1e3)] + cells
                    + [number(r.ratio(r.median)), number(r.ratio(r.least)),
                       number(100 * r.limit / own if own else None), "%.1e" % max(r.differences.values(), default=0)])
    rows.append(["geometric mean", ""] + [""] * len(names)
                + means(results) + ["", ""])
    return layout(rows, markdown)


def ops_table(results, names, peak, markdown):
    """GFlop/s, by the median and by the least time."""
    def speed(r, time):
        return number(r.limit * peak / time) if time else "-"

    rows = [["op"] + ["%s, GFlop/s" % TITLES[n] for n in names] + ["ratio, median", "ratio, least", "% of peak"]]
    for r in results:
        cells = ["%s / %s" % (speed(r, r.median(n)), speed(r, r.least(n))) if n in r.samples else "-" for n in names]
        own = r.median("moru")
        rows.append([r.title] + cells + [number(r.ratio(r.median)), number(r.ratio(r.least)),
                                         number(100 * r.limit / own if own else None)])
    for kind in ("gemm", "conv", "pool", "norm", "softmax"):
        some = [r for r in results if r.name.startswith("op:" + kind)]
        if some:
            rows.append(["geometric mean, " + kind] + [""] * len(names)
                        + means(some) + [""])
    return layout(rows, markdown)


def memories(results, names, markdown):
    rows = [["largest resident set, MB"] + [TITLES[n] for n in names]]
    rows += [[r.title] + [number(r.memory.get(n)) for n in names] for r in results if r.memory]
    return layout(rows, markdown)


def tables(results, names, peaks, markdown):
    parts = ["Peak of multiply-adds on registers: %.0f GFlop/s on one thread, %.0f on all. Times in milliseconds, "
             "median / least; ratio: the best peer's time by Moru's." % peaks]
    for mode, title in MODES.items():
        chosen = [r for r in results if r.mode == mode]
        if chosen:
            table = ops_table(chosen, names, peaks[1], markdown) if mode == "op" else times(chosen, names, markdown)
            parts.append(("### " if markdown else "") + title + "\n\n" + table)
            if any(r.memory for r in chosen):
                parts.append(memories(chosen, names, markdown))
    notes = ["%s %s: %s" % (r.name, r.mode, note) for r in results for note in r.notes]
    if notes:
        parts.append("\n".join(["Notes"] + notes))
    return "\n\n".join(parts)


def write_csv(writer, results):
    writer.writerow(["workload", "mode", "batch", "side", "round", "sample", "microseconds"])
    for r in results:
        writer.writerows(r.rows)
